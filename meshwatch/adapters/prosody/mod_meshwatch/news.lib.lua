-- Reads meshwatchd's news socket: lines to rows, and a fresh look after any doubt.
--
-- There is one recovery: hang up, connect again, and compare the new snapshot with what was known.

local json = require "util.json"
local server = require "net.server"
local timer = require "util.timer"

local ok_unix, unix = pcall(require, "socket.unix")
local unix_stream = ok_unix and (type(unix) == "table" and unix.stream or unix)

local MAJOR = 1
local LINE_BYTES = 65536
local ROWS = 4096 -- more neighbors than any radio has: not a daemon of ours
local FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5

local news = { connected = false }

local path, on
local conn, watch -- the socket we read from now, and what tells of its being readable
local buffer, seq, rows
local wait_s = FIRST_WAIT_S
local stopped = false

local connect

local function later()
    local delay_s = wait_s
    wait_s = math.min(wait_s * 2, LONGEST_WAIT_S)
    timer.add_task(delay_s, function()
        if not stopped and not conn then
            connect()
        end
    end)
end

local function close()
    if conn then
        watch:close()
        conn:close()
        conn, watch, buffer, rows, news.connected = nil, nil, "", nil, false
    end
end

local function hang_up(why)
    if conn then
        module:log(news.connected and "warn" or "debug", "%s: %s; looking again", path, why)
        close()
        later()
    end
end

local function neighbor_in(line)
    return type(line.neighbor) == "table" and line.neighbor or nil
end

-- What each class of line does; a class that is not here is ignored. True unless it is nonsense.
local classes = {}

function classes.version(line)
    local protocol = line.protocol
    if type(protocol) ~= "table" or protocol.major ~= MAJOR then
        module:log("error", "%s speaks another protocol than version %d", path, MAJOR)
        wait_s = LONGEST_WAIT_S
        return false
    end
    return true
end

function classes.snapshot(line)
    if type(line.neighbors) ~= "table" then
        return false
    end
    rows = rows or {}
    for _, row in ipairs(line.neighbors) do
        rows[#rows + 1] = row
    end
    if #rows > ROWS then
        return false
    end
    if line.more ~= true then
        local all = rows
        rows, wait_s, news.connected = nil, FIRST_WAIT_S, true
        on.snapshot(all)
    end
    return true
end

function classes.changed(line)
    local row = neighbor_in(line)
    if row then
        on.changed(row)
    end
    return row ~= nil
end

function classes.removed(line)
    local row = neighbor_in(line)
    if row then
        on.removed(row)
    end
    return row ~= nil
end

local function take(text)
    local ok, line = pcall(json.decode, text)
    if not ok or type(line) ~= "table" then
        return hang_up("not JSON")
    end
    if line.seq ~= seq + 1 then
        return hang_up("a line is missing")
    end
    seq = line.seq
    local class = classes[line.class]
    if seq == 1 and line.class ~= "version" or class and not class(line) then
        return hang_up("not a line of this protocol")
    end
end

local function feed(data)
    local from, start = conn, 1
    buffer = buffer .. data
    while conn == from do
        local stop = buffer:find("\n", start, true)
        if (stop or #buffer + 1) - start >= LINE_BYTES then
            return hang_up("a line is too long")
        elseif not stop then
            buffer = buffer:sub(start)
            return
        end
        take(buffer:sub(start, stop - 1))
        start = stop + 1
    end
end

-- net.server's own connections expect the client to speak first: what comes earlier ends them.
local function readable()
    local from = conn
    repeat
        local data, err, partial = from:receive(LINE_BYTES)
        feed(data or partial)
        if err == "closed" then
            hang_up("closed by meshwatchd")
        end
    until err or conn ~= from
end

function connect()
    local socket = unix_stream()
    socket:settimeout(0)
    local ok, err = socket:connect(path)
    if not ok then
        socket:close()
        module:log("debug", "%s: %s", path, err)
        return later()
    end
    conn, buffer, seq, rows = socket, "", 0, nil
    watch = server.watchfd(socket, readable)
end

-- handlers: snapshot(rows), changed(row), removed(row).
function news.start(socket_path, handlers)
    path, on = socket_path, handlers
    if not unix_stream then
        module:log("error", "LuaSocket has no Unix sockets: no news of neighbors")
        return
    end
    connect()
end

function news.stop()
    stopped = true
    close()
end

return news
