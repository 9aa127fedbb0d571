-- Knows which domains are in range and where: meshwatch's rows in, comings and goings out.

local jid = require "util.jid"
local manual = require "net.resolvers.manual"

local neighbors = {}

local XMPP_SERVER = "_xmpp-server._tcp"
local ADDRESSES, DOMAINS, PEOPLE = 8, 16, 32 -- of one neighbor that we take up

local suffixes = {} -- domains that live on the mesh
local on
local by_key = {} -- "ifindex/address" -> neighbor
local by_domain = {} -- domain -> neighbors that say they serve it, in the order they came

-- Whether this is a domain that lives on the mesh: one of the configured ones, or below it.
function neighbors.is_mesh(domain)
    if not domain or prosody.hosts[domain] then
        return false
    end
    local rest = domain
    while rest do
        if suffixes[rest] then
            return true
        end
        rest = rest:match("%.(.+)$")
    end
    return false
end

-- ---- a row of meshwatch-protocol(7) as what matters here -------------------------------------

local function string_or_nil(value)
    return type(value) == "string" and value or nil
end

local function items(value)
    return type(value) == "table" and value or {}
end

local function reachable(row)
    return row.presence == "present" or row.presence == "quiet" and row.proximity == "direct"
end

local function is_address(text)
    return text:match("^[%x:.]+$") or text:match("^%x[%x:]+%%[^%s/]+$")
end

local function addresses_of(row)
    local found = {}
    for _, item in ipairs(items(row.addresses)) do
        local text = string_or_nil(items(item).address)
        if text and is_address(text) and #found < ADDRESSES then
            found[#found + 1] = text
        end
    end
    return found
end

local function domain_of(service)
    local domain = string_or_nil(items(service.txt).domain) or string_or_nil(service.instance)
    local node, host, resource = jid.prepped_split(domain)
    if host and not node and not resource and host:find(".", 1, true) and neighbors.is_mesh(host) then
        return host
    end
end

local function port_of(service)
    local port = math.tointeger(tonumber(service.port))
    return port and port > 0 and port < 65536 and port or 5269
end

local function domains_of(row)
    local found, count = {}, 0
    for _, claim in ipairs(items(row.claims)) do
        for _, service in ipairs(items(items(claim).services)) do
            local domain = items(service).type == XMPP_SERVER and domain_of(service)
            if domain and not found[domain] and count < DOMAINS then
                local hint = string_or_nil(items(service.txt).tlsfp)
                found[domain] = { port = port_of(service), hint = hint }
                count = count + 1
            end
        end
    end
    return found
end

local function people_of(row, domains)
    local found, seen = {}, {}
    local function add(source)
        local node, host = jid.prepped_split(string_or_nil(items(source).jid))
        local bare = node and domains[host] and jid.join(node, host)
        if bare and not seen[bare] and #found < PEOPLE then
            seen[bare] = true
            found[#found + 1] = { jid = bare, nick = string_or_nil(source.nick) }
        end
    end
    add(row)
    for _, claim in ipairs(items(row.claims)) do
        add(claim)
    end
    return found
end

local function key_of(row)
    if type(row) == "table" and math.type(row.ifindex) and type(row.address) == "string" then
        return ("%d/%s"):format(row.ifindex, row.address)
    end
end

-- What a messenger can use of a row, or nil: out of range, no server, or nowhere to connect to.
local function usable(row)
    if not reachable(row) then
        return nil
    end
    local addresses, domains = addresses_of(row), domains_of(row)
    if not addresses[1] or not next(domains) then
        return nil
    end
    return {
        mac = row.address,
        interface = string_or_nil(row.interface) or "",
        addresses = addresses,
        domains = domains,
        people = people_of(row, domains),
        disputed = row.disputed == true,
        refused = {}, -- domains whose key it could not show
    }
end

-- ---- comings and goings ----------------------------------------------------------------------

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
    on.left(domain, neighbor)
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
    local key = key_of(row)
    if key then
        set(key, usable(row))
    end
end

function neighbors.removed(row)
    local key = key_of(row)
    if key then
        set(key, nil)
    end
end

-- Whoever is not in the snapshot has left; the others are told only if something changed.
function neighbors.snapshot(rows)
    local there = {}
    for _, row in ipairs(rows) do
        local key = key_of(row)
        if key then
            there[key] = row
        end
    end
    local known = {}
    for key in pairs(by_key) do
        known[#known + 1] = key
    end
    for _, key in ipairs(known) do
        if not there[key] then
            set(key, nil)
        end
    end
    for key, row in pairs(there) do
        set(key, usable(row))
    end
end

-- ---- questions -------------------------------------------------------------------------------

-- Those in range that say they serve this domain.
function neighbors.at(domain)
    return by_domain[domain] or {}
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

-- handlers: arrived(domain, neighbor), stayed(domain, old, new, moved), left(domain, neighbor).
function neighbors.start(domains, handlers)
    on = handlers
    for _, domain in ipairs(domains) do
        suffixes[domain] = true
    end
end

return neighbors
