-- Remembers what came from neighbors, so that what is sent again after a loss is not shown twice.

local disk = part "disk"

local taken = {}

-- A neighbor sends again what it has no acknowledgement for: fewer than the courier's window.
local REMEMBERED = 512

local root
local memories = {} -- [from .. " " .. to] = { set = {[id]=true}, ids in order, lines in the file }

function taken.open(directory)
    root = directory
end

local function path_of(from, to)
    return root .. "/" .. disk.encode(to) .. "/" .. disk.encode(from)
end

local function add(memory, id)
    memory.set[id] = true
    memory[#memory + 1] = id
    if #memory > REMEMBERED then
        memory.set[table.remove(memory, 1)] = nil
    end
end

local function memory_of(from, to)
    local key = from .. " " .. to
    if not memories[key] then
        local memory = { set = {}, lines = 0 }
        for id in (disk.read(path_of(from, to)) or ""):gmatch("([%w_-]+)\n") do
            add(memory, id)
            memory.lines = memory.lines + 1
        end
        memories[key] = memory
    end
    return memories[key]
end

function taken.before(from, to, id)
    return memory_of(from, to).set[id] == true
end

function taken.note(from, to, id)
    local memory, path = memory_of(from, to), path_of(from, to)
    add(memory, id)
    memory.lines = memory.lines + 1
    local ok, err
    if memory.lines == 1 then
        disk.make_directory(root .. "/" .. disk.encode(to))
    end
    if memory.lines > 2 * REMEMBERED then
        ok, err = disk.write(path, table.concat(memory, "\n") .. "\n")
        memory.lines = #memory
    else
        ok, err = disk.append(path, id)
    end
    if not ok then
        module:log("error", "cannot write %s: %s", path, err)
    end
end

return taken
