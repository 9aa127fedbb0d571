-- Knows which domains are in range and where: meshwatch's rows in, comings and goings out.

local manual = require "net.resolvers.manual"

local rows = part "rows"

local neighbors = { is_mesh = rows.is_mesh }

local on
local by_key = {} -- "ifindex/address" -> neighbor
local by_domain = {} -- domain -> neighbors that say they serve it, in the order they came

local function leave(domain, neighbor)
    local here = by_domain[domain]
    for index, other in ipairs(here) do
        if other == neighbor then
            table.remove(here, index)
            break
        end
    end
    if not here[1] then
        by_domain[domain] = nil
    end
    on.left(domain)
end

local function join(domain, neighbor)
    by_domain[domain] = by_domain[domain] or {}
    table.insert(by_domain[domain], neighbor)
    on.arrived(domain, neighbor)
end

local function stay(domain, old, new)
    for index, other in ipairs(by_domain[domain]) do
        if other == old then
            by_domain[domain][index] = new
        end
    end
    local moved = table.concat(old.addresses, " ") ~= table.concat(new.addresses, " ")
        or old.domains[domain].port ~= new.domains[domain].port
    new.refused[domain] = not moved and old.refused[domain] or nil
    on.stayed(domain, old, new, moved)
end

local function set(key, new)
    local old = by_key[key]
    by_key[key] = new
    for domain in pairs(old and old.domains or {}) do
        if not (new and new.domains[domain]) then
            leave(domain, old)
        end
    end
    for domain in pairs(new and new.domains or {}) do
        if old and old.domains[domain] then
            stay(domain, old, new)
        else
            join(domain, new)
        end
    end
end

function neighbors.changed(row)
    local key = rows.key(row)
    if key then
        set(key, rows.usable(row))
    end
end

function neighbors.removed(row)
    local key = rows.key(row)
    if key then
        set(key, nil)
    end
end

-- Whoever is not in the snapshot has left; the others are told only if something changed.
function neighbors.snapshot(all)
    local there = {}
    for _, row in ipairs(all) do
        local key = rows.key(row)
        if key then
            there[key] = row
        end
    end
    local known = {}
    for key in pairs(by_key) do
        known[#known + 1] = key
    end
    -- First who is there: one that goes on under another ifindex does not leave in between.
    for key, row in pairs(there) do
        set(key, rows.usable(row))
    end
    for _, key in ipairs(known) do
        if not there[key] then
            set(key, nil)
        end
    end
end

-- Those in range that say they serve this domain.
function neighbors.at(domain)
    return by_domain[domain] or {}
end

-- The next attempt to connect begins with the others.
function neighbors.put_last(domain, neighbor)
    local here = neighbors.at(domain)
    for index, other in ipairs(here) do
        if other == neighbor then
            table.insert(here, table.remove(here, index))
            return
        end
    end
end

-- Whether it is worth connecting: somebody is there who was not found to be an impostor.
function neighbors.in_range(domain)
    for _, neighbor in ipairs(neighbors.at(domain)) do
        if not neighbor.refused[domain] then
            return true
        end
    end
    return false
end

local function without_scope(address)
    return (address:gsub("%%.*", ""))
end

-- Whether this neighbor has this address. A scope counts only if both name one.
function neighbors.has(neighbor, address)
    for _, own in ipairs(neighbor.addresses) do
        if own == address then
            return true
        end
        local both = own:find("%", 1, true) and address:find("%", 1, true)
        if not both and without_scope(own) == without_scope(address) then
            return true
        end
    end
    return false
end

-- The neighbor that serves this domain at this address.
function neighbors.who(domain, address)
    for _, neighbor in ipairs(neighbors.at(domain)) do
        if address and neighbors.has(neighbor, address) then
            return neighbor
        end
    end
end

-- Where net.connect shall try: addresses as meshwatch gave them, which it takes with their scope.
-- (net.resolvers.basic would ask DNS for "fe80::1%mesh0", as util.net.pton knows no scopes.)
function neighbors.resolver(domain, extra)
    local targets = {}
    for _, neighbor in ipairs(neighbors.at(domain)) do
        if not neighbor.refused[domain] then
            for _, address in ipairs(neighbor.addresses) do
                local kind = address:find(":", 1, true) and "tcp6" or "tcp4"
                local port = neighbor.domains[domain].port
                targets[#targets + 1] = { kind, address, port, extra }
            end
        end
    end
    local resolver = manual.new(targets, "tcp", extra)
    resolver.hostname, resolver.last_error = domain, "not in radio range"
    return resolver
end

-- Every neighbor with a server, for people to read.
function neighbors.all()
    local all = {}
    for _, neighbor in pairs(by_key) do
        all[#all + 1] = neighbor
    end
    return all
end

-- The operator forgot a pin: who could not show that key may try again.
function neighbors.pardon(domain)
    for _, neighbor in ipairs(neighbors.at(domain)) do
        neighbor.refused[domain] = nil
    end
end

-- handlers: arrived(domain, neighbor), stayed(domain, old, new, moved), left(domain).
function neighbors.start(handlers)
    on = handlers
end

return neighbors
