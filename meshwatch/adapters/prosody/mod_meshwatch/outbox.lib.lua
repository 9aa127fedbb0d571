-- Keeps what was written to neighbors on disk until they have it: one file for each stanza.

local new_id = require "util.id".medium
local parse_xml = require "util.xml".parse

local disk = part "disk"

local outbox = { count = 0, bytes = 0 }

local root -- .../outbox
local limits -- { messages, bytes }
local ids = {} -- id -> entry
local boxes = {} -- [from_host][to_host] = { entries in order, next = number }

local function box_of(from, to)
    boxes[from] = boxes[from] or {}
    boxes[from][to] = boxes[from][to] or { next = 1 }
    return boxes[from][to]
end

local function directory_of(from, to)
    return root .. "/" .. disk.encode(from) .. "/" .. disk.encode(to)
end

local function add(box, entry)
    box[#box + 1], ids[entry.id] = entry, entry
    outbox.count, outbox.bytes = outbox.count + 1, outbox.bytes + entry.bytes
end

local function read_box(from, to)
    local box, directory = box_of(from, to), directory_of(from, to)
    for _, name in ipairs(disk.names(directory)) do
        local number, held_s, id = name:match("^(%d+)%.(%d+)%.([%w_-]+)%.xml$")
        if number then
            local path = directory .. "/" .. name
            local text = disk.read(path) or ""
            add(box, {
                from = from, to = to, path = path, id = id, held_s = tonumber(held_s), bytes = #text,
            })
            box.next = tonumber(number) + 1
        elseif name:sub(-1) == "~" then -- Prosody ended while writing: nobody was told it is held
            os.remove(directory .. "/" .. name)
        end
    end
end

-- Take up what an earlier run of Prosody left in this directory.
function outbox.open(directory, most)
    root, limits = directory, most
    for _, from in ipairs(disk.names(root)) do
        for _, to in ipairs(disk.names(root .. "/" .. from)) do
            read_box(disk.decode(from), disk.decode(to))
        end
    end
end

-- Keep a stanza. The entry, on disk; or nil and the stanza error condition to answer with.
function outbox.put(from, to, stanza)
    stanza.attr.xmlns = nil -- each stream has a default namespace of its own
    local text = tostring(stanza)
    if outbox.count >= limits.messages or outbox.bytes + #text > limits.bytes then
        return nil, "resource-constraint", "too many messages wait for neighbors"
    end
    local box, directory = box_of(from, to), directory_of(from, to)
    local entry = { from = from, to = to, id = new_id(), held_s = os.time(), bytes = #text }
    local name = ("%010d.%d.%s.xml"):format(box.next, entry.held_s, entry.id)
    entry.path = directory .. "/" .. name
    local ok, err = disk.make_directory(directory)
    if ok then
        ok, err = disk.write(entry.path, text)
    end
    if not ok then
        module:log("error", "cannot hold a message to %s: %s", to, err)
        return nil, "internal-server-error", "the message could not be stored"
    end
    box.next = box.next + 1
    add(box, entry)
    return entry
end

-- What is kept from one of our hosts to a neighbor's domain, oldest first.
function outbox.entries(from, to)
    return boxes[from] and boxes[from][to] or {}
end

-- Which of our hosts have something for this domain.
function outbox.senders(to)
    local senders = {}
    for from, domains in pairs(boxes) do
        if domains[to] and domains[to][1] then
            senders[#senders + 1] = from
        end
    end
    return senders
end

-- Every entry of every box.
function outbox.all()
    local all = {}
    for _, domains in pairs(boxes) do
        for _, box in pairs(domains) do
            table.move(box, 1, #box, #all + 1, all)
        end
    end
    return all
end

-- The stanza itself, or nil when the disk lost it.
function outbox.stanza(entry)
    local text = disk.read(entry.path)
    local ok, stanza = pcall(parse_xml, text or "")
    return ok and stanza or nil
end

-- Whether what carries this id is still kept.
function outbox.has(id)
    return ids[id] ~= nil
end

function outbox.remove(entry)
    local box = outbox.entries(entry.from, entry.to)
    for index, other in ipairs(box) do
        if other == entry then
            table.remove(box, index)
            ids[entry.id] = nil
            os.remove(entry.path)
            outbox.count, outbox.bytes = outbox.count - 1, outbox.bytes - entry.bytes
            return
        end
    end
end

return outbox
