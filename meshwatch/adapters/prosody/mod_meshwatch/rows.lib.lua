-- Reads a row of meshwatch-protocol(7) as what matters to Prosody: domains, addresses, people.
--
-- What stands in it was said by strangers and passed on: whatever is not as it should be is left out.

local jid = require "util.jid"

local rows = {}

local XMPP_SERVER = "_xmpp-server._tcp"
local ADDRESSES, DOMAINS, PEOPLE = 8, 16, 32 -- of one neighbor that we take up

local suffixes = {} -- domains that live on the mesh
local configured = {} -- hardware address -> domain, where nobody announces it
local remembered -- hardware address -> { domain -> port }, as met there before

-- Whether this is a domain that lives on the mesh: one of the configured ones, or below it.
function rows.is_mesh(domain)
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

local function string_or_nil(value)
    return type(value) == "string" and value or nil
end

local function items(value)
    return type(value) == "table" and value or {}
end

-- Near or over other stations: a path that was not used for a while is looked for anew by sending.
local function reachable(row)
    return row.presence == "present" or row.presence == "quiet"
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
    if host and not node and not resource and host:find(".", 1, true) and rows.is_mesh(host) then
        return host
    end
end

local function port_of(service)
    local port = math.tointeger(tonumber(service.port))
    return port and port > 0 and port < 65536 and port or 5269
end

local function domains_of(row)
    local found, count = {}, 0
    local domain = configured[row.address]
    if domain and rows.is_mesh(domain) then
        found[domain], count = { port = 5269 }, 1
    end
    for _, claim in ipairs(items(row.claims)) do
        for _, service in ipairs(items(items(claim).services)) do
            local announced = items(service).type == XMPP_SERVER and domain_of(service)
            if announced and not found[announced] and count < DOMAINS then
                local hint = string_or_nil(items(service.txt).tlsfp)
                found[announced] = { port = port_of(service), hint = hint }
                count = count + 1
            end
        end
    end
    if count == 0 then -- who just came was not asked yet; its key will tell whether it is the same
        for known, port in pairs(remembered(row.address)) do
            if rows.is_mesh(known) and count < DOMAINS then
                found[known], count = { port = port, remembered = true }, count + 1
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

-- What identifies a neighbor, or nil.
function rows.key(row)
    if type(row) == "table" and math.type(row.ifindex) == "integer" and type(row.address) == "string" then
        return ("%d/%s"):format(row.ifindex, row.address)
    end
end

-- What a messenger can use of a row, or nil: out of range, no server, or nowhere to connect to.
function rows.usable(row)
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
        direct = row.proximity == "direct",
        sae = row.security == "sae" and row.mfp == true, -- the link, not only what a beacon says
        disputed = row.disputed == true,
        clash = row.clash ~= nil,
        shown = {}, -- domain -> SHA-256 of the certificate it showed, in this row, while none was pinned
        refused = {}, -- domains whose key it could not show
    }
end

-- domains: a list of those that live on the mesh; servers: a domain by hardware address;
-- met(mac): domains and their ports that were met there before.
function rows.start(domains, servers, met)
    configured, remembered = servers, met
    for _, domain in ipairs(domains) do
        suffixes[domain] = true
    end
end

return rows
