-- Keeps what was written to neighbors on disk until they have it: one file for each stanza.

local jid = require "util.jid"
local new_id = require "util.id".medium
local parse_xml = require "util.xml".parse
local st = require "util.stanza"

local clock = part "clock"
local disk = part "disk"

local outbox = { count = 0, bytes = 0 }

local root -- .../outbox
local limits -- { messages, bytes }
local ids = {} -- id -> entry
local boxes = {} -- [from_host][to_host] = { entries in order, next = number }
local shares = {} -- domain of neighbors or bare JID of a writer -> { count, bytes }

local function box_of(from, to)
    boxes[from] = boxes[from] or {}
    boxes[from][to] = boxes[from][to] or { next = 1 }
    return boxes[from][to]
end

local function directory_of(from, to)
    return root .. "/" .. disk.encode(from) .. "/" .. disk.encode(to)
end

local function parse(text)
    local ok, stanza = pcall(parse_xml, text)
    return ok and stanza or nil
end

-- The stanza without what is in it, for questions that need no look at the disk.
local function head_of(stanza)
    local attr = stanza.attr
    return st.stanza(stanza.name, { type = attr.type, id = attr.id, from = attr.from, to = attr.to })
end

local function share_of(key)
    shares[key] = shares[key] or { count = 0, bytes = 0 }
    return shares[key]
end

-- Whether there is room for one more of this writer or domain: nobody has more than is still free,
-- so that somebody who fills the hold leaves half of it to others.
local function fits(key, bytes)
    local share = share_of(key)
    return share.count < limits.messages - outbox.count and share.bytes + bytes <= limits.bytes - outbox.bytes
end

local function writer_of(stanza)
    return stanza and jid.bare(stanza.attr.from) or "nobody"
end

-- Count an entry in (1) or out (-1).
local function count(entry, sign)
    for _, total in ipairs({ outbox, share_of(entry.to), share_of(writer_of(entry.head)) }) do
        total.count, total.bytes = total.count + sign, total.bytes + sign * entry.bytes
    end
end

local function add(box, entry)
    box[#box + 1], ids[entry.id] = entry, entry
    count(entry, 1)
end

local function read_box(from, to)
    local box, directory = box_of(from, to), directory_of(from, to)
    for _, name in ipairs(disk.names(directory)) do
        local number, held_s, id = name:match("^(%d+)%.(%d+)%.([%w_-]+)%.xml$")
        if number then
            local path = directory .. "/" .. name
            local text = disk.read(path) or ""
            local stanza = parse(text)
            if not stanza then
                module:log("error", "%s cannot be read", path)
            end
            add(box, {
                from = from, to = to, path = path, id = id, held_s = tonumber(held_s), bytes = #text,
                head = stanza and head_of(stanza),
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
    if not (fits(to, #text) and fits(writer_of(stanza), #text)) then
        return nil, "resource-constraint", "too many messages wait for neighbors"
    end
    local box, directory = box_of(from, to), directory_of(from, to)
    local entry = {
        from = from, to = to, id = new_id(), held_s = clock.now(), bytes = #text, head = head_of(stanza),
    }
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

-- Whether the same is kept already: of what kind, from whom and to whom.
function outbox.has_like(from, to, stanza)
    for _, entry in ipairs(outbox.entries(from, to)) do
        local head, attr = entry.head, stanza.attr
        if head and head.name == stanza.name and head.attr.type == attr.type
            and head.attr.from == attr.from and head.attr.to == attr.to then
            return true
        end
    end
    return false
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
    return parse(disk.read(entry.path) or "")
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
            count(entry, -1)
            return
        end
    end
end

return outbox
