-- Trust on first use: each domain's certificate, pinned when first met, and who may speak for it.

local json = require "util.json"

local disk = part "disk"
local neighbors = part "neighbors"

local pins = {}

local PINS = 10000 -- who meets more servers than that is being flooded with made-up ones

local path
local first_use
local known = {} -- domain -> { sha256, first_unix_s, address, interface, port }
local vouched = setmetatable({}, { __mode = "k" }) -- session -> domain whose key it showed

local function save()
    local ok, err = disk.write(path, json.encode(known))
    if not ok then
        module:log("error", "cannot write %s: %s", path, err)
    end
    return ok, err
end

function pins.open(file, pin_first_use)
    path, first_use = file, pin_first_use
    local text = disk.read(path)
    local ok, stored = pcall(json.decode, text or "{}")
    if ok and type(stored) == "table" then
        known = stored
    else -- to begin anew would make the next impostor a first acquaintance
        error(path .. " is damaged: restore it, or remove it and trust everybody once more")
    end
end

function pins.all()
    return known
end

function pins.of(domain)
    return known[domain] and known[domain].sha256
end

-- The domains whose keys were pinned at this hardware address, with their ports.
function pins.at(mac)
    local found = {}
    for domain, pin in pairs(known) do
        if pin.address == mac then
            found[domain] = tonumber(pin.port) or 5269
        end
    end
    return found
end

-- Pin a certificate by its SHA-256 in hex, of this neighbor if there is one.
function pins.set(domain, sha256, neighbor)
    known[domain] = {
        sha256 = sha256,
        first_unix_s = os.time(),
        address = neighbor and neighbor.mac,
        interface = neighbor and neighbor.interface,
        port = neighbor and neighbor.domains[domain] and neighbor.domains[domain].port,
    }
    neighbors.pardon(domain)
    return save()
end

function pins.forget(domain)
    if not known[domain] then
        return nil, "no such pin"
    end
    known[domain] = nil
    neighbors.pardon(domain)
    return save()
end

local function count()
    local number = 0
    for _ in pairs(known) do
        number = number + 1
    end
    return number
end

-- Why this certificate must not become the pin of this domain, or nil: it may.
local function objection(domain, sha256, neighbor)
    if not neighbor or neighbor.domains[domain].remembered then
        return "no neighbor with this address serves the domain"
    elseif not first_use then
        return "this server pins no certificates by itself"
    elseif #neighbors.at(domain) > 1 or neighbor.disputed then
        return "more than one neighbor claims the domain"
    elseif count() >= PINS then
        return "too many certificates are pinned"
    end
    -- What the neighbor announced is unsigned: it can only speak against it.
    local hint = neighbor.domains[domain].hint
    if hint and hint:lower() ~= "sha256:" .. sha256 then
        return "the certificate is not the one that was announced"
    end
end

local function refuse(session, domain, why)
    module:log("warn", "%s at %s refused: %s", domain, session.ip or "?", why)
    session:close({ condition = "not-authorized", text = why }, nil, why)
    return false
end

local function impostor(session, domain, neighbor, sha256)
    if neighbor then
        neighbor.refused[domain] = true
    end
    module:fire_event("meshwatch-impostor", {
        domain = domain, pinned = pins.of(domain), shown = sha256, neighbor = neighbor,
    })
    return refuse(session, domain, "the certificate differs from the pinned one")
end

-- For the event s2s-check-certificate: true when the pin says yes, false when the stream is closed.
function pins.check(event)
    local session, domain, cert = event.session, event.host, event.cert
    if not neighbors.is_mesh(domain) then
        return nil
    elseif not cert then
        return refuse(session, domain, "a certificate is needed")
    end
    local address = session.ip or session.conn and session.conn:ip()
    local neighbor = neighbors.who(domain, address)
    local sha256 = cert:digest("sha256")
    local pin = pins.of(domain)
    if pin and pin ~= sha256 then
        return impostor(session, domain, neighbor, sha256)
    elseif not pin then
        local why = objection(domain, sha256, neighbor)
        if why then
            return refuse(session, domain, why)
        end
        if not pins.set(domain, sha256, neighbor) then
            return refuse(session, domain, "the certificate could not be pinned")
        end
        module:log("info", "%s: certificate pinned on first use: %s", domain, sha256)
    end
    if neighbor then
        neighbor.refused[domain] = nil
    end
    session.cert_chain_status, session.cert_identity_status = "valid", "valid"
    vouched[session] = domain
    return true
end

-- For the event s2s-authenticated: whoever proved a domain of the mesh in another way, such as
-- dialback to whatever address an impostor announced, has proved nothing.
function pins.confirm(event)
    local session, domain = event.session, event.host
    if neighbors.is_mesh(domain) and vouched[session] ~= domain then
        return refuse(session, domain, "only a pinned certificate speaks for this domain")
    end
end

return pins
