-- Prosody gives its modules these; `part` is mod_meshwatch.lua's own, for the files beside it.
std = "lua54"
globals = { "module", "part", "prosody" }
max_line_length = 110
