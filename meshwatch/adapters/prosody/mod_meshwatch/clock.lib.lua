-- Counts how long messages have waited: as the wall's clock does, but without its jumps.
--
-- A laptop without a battery for its clock starts in 1970, or when it was last shut down, and learns
-- better later. So a step back counts nothing, and neither does one that is longer than a message
-- is held at all: better held too long than given up at once. A shorter one counts, as it is what
-- a laptop sees that slept or was off.

local lfs = require "lfs"

local disk = part "disk"

local clock = {}

local path -- holds what this clock is ahead; was modified when it was last looked at
local longest_s
local ahead_s = 0 -- of the machine's
local last_s -- by the machine's

local function write()
    local ok, err = disk.write(path, ("%d\n"):format(ahead_s))
    if not ok then
        module:log("error", "cannot write %s: %s", path, err)
    end
end

-- Seconds on this clock, which is the wall's until that jumps.
function clock.now()
    local wall_s = os.time()
    local step_s = wall_s - last_s
    last_s = wall_s
    if step_s < 0 or step_s > longest_s then
        ahead_s = ahead_s - step_s
        module:log("info", "the clock jumped by %d s, which no message waited", step_s)
        write()
    end
    return wall_s + ahead_s
end

-- When something was, by the machine's clock of today.
function clock.wall(at_s)
    return at_s - ahead_s
end

-- Remember that the clock was looked at now, for the next run.
function clock.remember()
    clock.now()
    if not lfs.touch(path, last_s, last_s) then
        write()
    end
end

-- longest: from how many seconds on a step is a jump.
function clock.open(file, longest)
    path, longest_s = file, longest
    ahead_s = tonumber(disk.read(path) or "") or 0
    last_s = lfs.attributes(path, "modification") or os.time()
end

return clock
