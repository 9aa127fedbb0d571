-- Writes small files so that what was written is there after a crash, of Prosody or of the machine.

local lfs = require "lfs"
local datamanager = require "util.datamanager"

-- Lua has no fsync(2), and neither has Prosody; Debian's lua-luv brings it for every Lua.
-- (It looks for a global on loading, which Prosody would make a warning of.)
prosody.unlock_globals()
local has_luv, luv = pcall(require, "luv")
prosody.lock_globals()

local disk = { durable = has_luv }

-- A name as a file name: whatever is not a letter or a digit becomes %xx.
disk.encode = datamanager.path_encode
disk.decode = datamanager.path_decode

-- A new name, of a file or a directory, is on the disk only when the directory that has it is.
local function sync_parent(path)
    local handle = has_luv and luv.fs_open(path:match("^(.*)/") or ".", "r", 0)
    if handle then
        luv.fs_fsync(handle)
        luv.fs_close(handle)
    end
end

-- This directory and those above it. True, or nil and why not.
function disk.make_directory(path)
    if lfs.attributes(path, "mode") == "directory" then
        return true
    end
    local parent, ok, err = path:match("^(.+)/"), true, nil
    if parent then
        ok, err = disk.make_directory(parent)
    end
    if ok then
        ok, err = lfs.mkdir(path)
    end
    if ok then
        sync_parent(path)
    end
    return ok, err
end

-- The names in a directory; none if there is no such directory.
function disk.names(path)
    local names = {}
    if lfs.attributes(path, "mode") == "directory" then
        for name in lfs.dir(path) do
            if name ~= "." and name ~= ".." then
                names[#names + 1] = name
            end
        end
    end
    table.sort(names)
    return names
end

-- The whole file; or nil, why not, and the error number, by which "no such file" (2) can be told.
function disk.read(path)
    local file, err, number = io.open(path)
    if not file then
        return nil, err, number
    end
    local text
    text, err, number = file:read("*a")
    file:close()
    return text, err, number
end

local function write_plain(path, text)
    local file, err = io.open(path, "w")
    if not file then
        return nil, err
    end
    local ok
    ok, err = file:write(text)
    local closed, close_err = file:close()
    return ok and closed, err or close_err
end

local function write_synced(path, text)
    local handle, err = luv.fs_open(path, "w", tonumber("600", 8))
    if not handle then
        return nil, err
    end
    local written, synced
    written, err = luv.fs_write(handle, text)
    if written == #text then
        synced, err = luv.fs_fsync(handle)
    end
    luv.fs_close(handle)
    return synced, err or "short write"
end

-- The whole file or, after a crash, what was there before. True, or nil and why not.
function disk.write(path, text)
    local new = path .. "~"
    local ok, err = (has_luv and write_synced or write_plain)(new, text)
    if ok then
        ok, err = os.rename(new, path)
    end
    if not ok then
        os.remove(new)
        return nil, err
    end
    sync_parent(path)
    return true
end

-- One line more. It survives the end of Prosody, maybe not that of the machine.
function disk.append(path, line)
    local file, err = io.open(path, "a")
    if not file then
        return nil, err
    end
    file:write(line, "\n")
    return file:close()
end

return disk
