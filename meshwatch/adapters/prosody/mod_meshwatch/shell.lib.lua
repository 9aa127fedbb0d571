-- What the operator can ask and say: prosodyctl shell meshwatch <command>.

local clock = part "clock"
local neighbors = part "neighbors"
local outbox = part "outbox"
local pins = part "pins"
local links = part "links"

local shell = {}

local environment = module:shared("/*/admin_shell/env")

local function sorted(map)
    local keys = {}
    for key in pairs(map) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

local commands = {}

function commands:pins()
    local all = pins.all()
    local domains = sorted(all)
    for _, domain in ipairs(domains) do
        local pin = all[domain]
        local since = os.date("%Y-%m-%d", tonumber(pin.first_unix_s))
        self.session.print(domain, pin.sha256, since, pin.address or "-")
    end
    return true, ("%d certificates pinned"):format(#domains)
end

function commands.forget(_, domain)
    local ok, err = pins.forget(domain)
    if not ok then
        return nil, err
    end
    links.meet(domain)
    return true, "forgotten: the next certificate of " .. domain .. " will be pinned"
end

function commands.pin(_, domain, sha256)
    local digits = type(sha256) == "string" and sha256:gsub("^sha256:", ""):gsub(":", ""):lower()
    if type(domain) ~= "string" or not neighbors.is_mesh(domain) then
        return nil, "not a domain of the mesh (meshwatch_domains)"
    elseif not digits or #digits ~= 64 or digits:find("%X") then
        return nil, "not a SHA-256 in hex"
    end
    local ok, err = pins.set(domain, digits)
    if not ok then
        return nil, err
    end
    links.meet(domain)
    return true, "pinned"
end

function commands:held()
    local boxes = {}
    for _, entry in ipairs(outbox.all()) do
        local box = entry.from .. " -> " .. entry.to
        boxes[box] = boxes[box] or { count = 0, oldest_s = clock.wall(entry.held_s) }
        boxes[box].count = boxes[box].count + 1
    end
    for _, box in ipairs(sorted(boxes)) do
        local oldest = os.date("%Y-%m-%d %H:%M", boxes[box].oldest_s)
        self.session.print(box, boxes[box].count, "since " .. oldest)
    end
    return true, ("%d held, %d bytes"):format(outbox.count, outbox.bytes)
end

function commands:neighbors()
    local count = 0
    for _, neighbor in ipairs(neighbors.all()) do
        for _, domain in ipairs(sorted(neighbor.domains)) do
            local state = neighbor.refused[domain] and "refused"
                or links.connected(domain) and "connected"
                or "in range"
            self.session.print(domain, neighbor.mac, neighbor.addresses[1], state)
            count = count + 1
        end
    end
    return true, ("%d domains in range"):format(count)
end

-- Since 13 Prosody's shell takes only commands that are described, here in the words of the manual.
local described = {
    neighbors = { "domains in range, connected or refused" },
    held = { "what waits for whom, since when" },
    pins = { "certificates, since when, from which address" },
    forget = { "forget the certificate of a domain", "domain" },
    pin = { "pin a certificate of a domain", "domain", "sha256" },
}

function shell.start()
    environment.meshwatch = commands
    for name, words in pairs(described) do
        local args = {}
        for i = 2, #words do
            args[i - 1] = { name = words[i], type = "string" }
        end
        module:add_item("shell-command", {
            section = "meshwatch",
            section_desc = "Neighbors on the mesh",
            name = name,
            desc = words[1],
            args = args,
            handler = commands[name],
        })
    end
end

function shell.remove()
    environment.meshwatch = nil
end

return shell
