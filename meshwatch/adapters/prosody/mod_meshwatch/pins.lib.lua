-- Trust on first use: each domain's certificate, pinned when first met, and who may speak for it.

local json = require "util.json"

local disk = part "disk"
local neighbors = part "neighbors"

local pins = {}

local NO_SUCH_FILE = 2 -- ENOENT
local HOUR_S = 3600
-- Hardware addresses and domains cost a stranger nothing. What is pinned by itself at most, at one
-- address, within an hour, and in all; more than a neighbor, a school and a life have of them.
local AT_ONE_ADDRESS, IN_AN_HOUR, PINS = 8, 240, 10000

local path
local unread -- true: what is pinned is not known, so nobody can be told from an impostor
local first_use -- what it takes: { allowed, direct, sae }
local known = {} -- domain -> { sha256, first_unix_s, address, interface, port }
local vouched = setmetatable({}, { __mode = "k" }) -- session -> domain whose key it showed

local function parse(text)
    local ok, stored = pcall(json.decode, text)
    if not ok or type(stored) ~= "table" then
        return nil, "not JSON"
    end
    for domain, pin in pairs(stored) do
        if type(domain) ~= "string" or type(pin) ~= "table" or type(pin.sha256) ~= "string" then
            return nil, "not a list of pins"
        end
    end
    return stored
end

-- needs: what it takes to be pinned on first use, { allowed, direct, sae }.
function pins.open(file, needs)
    path, first_use = file, needs
    local text, err, number = disk.read(path)
    if not text and number == NO_SUCH_FILE then
        known = {}
        return
    end
    local stored
    if text then
        stored, err = parse(text)
    end
    known, unread = stored or {}, not stored
    if unread then -- to begin anew would make the next impostor a first acquaintance
        module:log("error", "cannot read %s: %s. Nobody on the mesh is talked to: restore the file, or "
            .. "remove it and trust everybody once more; then load the module again", path, err)
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

-- What is not on the disk is not pinned.
local function change(domain, pin)
    if unread then
        return nil, "the pinned certificates cannot be read"
    end
    local old = known[domain]
    known[domain] = pin
    local ok, err = disk.write(path, json.encode(known))
    if not ok then
        known[domain] = old
        module:log("error", "cannot write %s: %s", path, err)
        return nil, err
    end
    neighbors.pardon(domain)
    return true
end

-- Pin a certificate by its SHA-256 in hex, of this neighbor if there is one.
function pins.set(domain, sha256, neighbor)
    return change(domain, {
        sha256 = sha256,
        first_unix_s = os.time(),
        address = neighbor and neighbor.mac,
        interface = neighbor and neighbor.interface,
        port = neighbor and neighbor.domains[domain] and neighbor.domains[domain].port,
    })
end

function pins.forget(domain)
    if not unread and not known[domain] then
        return nil, "no such pin"
    end
    return change(domain, nil)
end

-- What the operator pinned has no address, and does not count but in all.
local function too_many(neighbor)
    local all, here, lately, now = 0, 0, 0, os.time()
    for _, pin in pairs(known) do
        all = all + 1
        here = here + (pin.address == neighbor.mac and 1 or 0)
        local age_s = math.abs(now - (tonumber(pin.first_unix_s) or 0)) -- clocks are set back, too
        lately = lately + (pin.address and age_s < HOUR_S and 1 or 0)
    end
    return all >= PINS and "there is no room for another pin"
        or here >= AT_ONE_ADDRESS and "too many certificates are pinned at its hardware address"
        or lately >= IN_AN_HOUR and "too many certificates were pinned within an hour"
        or nil
end

-- Whether all who announce this domain have shown this certificate: a laptop with two radios is two
-- neighbors with one name.
local function agreed(domain, sha256)
    for _, neighbor in ipairs(neighbors.at(domain)) do
        if neighbor.shown[domain] ~= sha256 then
            return false
        end
    end
    return true
end

-- Why this certificate must not become the pin of this domain, or nil: it may.
local function objection(domain, sha256, neighbor)
    if not neighbor or neighbor.domains[domain].remembered then
        return "no neighbor with this address serves the domain"
    elseif not first_use.allowed then
        return "this server pins no certificates by itself"
    elseif neighbor.clash then
        return "another radio has its hardware address, too"
    elseif first_use.direct and not neighbor.direct then
        return "it is beyond radio range"
    elseif first_use.sae and not neighbor.sae then
        return "its link takes no password (SAE)"
    elseif not agreed(domain, sha256) then
        return "more than one neighbor claims the domain"
    elseif neighbor.disputed and #neighbors.at(domain) == 1 then
        return "its name is disputed"
    end
    -- What the neighbor announced is unsigned: it can only speak against it.
    local hint = neighbor.domains[domain].hint
    if hint and hint:lower() ~= "sha256:" .. sha256 then
        return "the certificate is not the one that was announced"
    end
    return too_many(neighbor)
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

-- Who is met for the first time: nil when the certificate is pinned now, or why not.
local function acquaint(domain, sha256, neighbor, address)
    for _, each in ipairs(neighbors.at(domain)) do
        if address and neighbors.has(each, address) then
            each.shown[domain] = sha256
        end
    end
    local why = objection(domain, sha256, neighbor)
    if why then
        neighbors.put_last(domain, neighbor)
        return why
    end
    if not pins.set(domain, sha256, neighbor) then
        return "the certificate could not be pinned"
    end
    module:log("info", "%s: certificate pinned on first use: %s", domain, sha256)
end

-- For the event s2s-check-certificate: true when the pin says yes, false when the stream is closed.
function pins.check(event)
    local session, domain, cert = event.session, event.host, event.cert
    if not neighbors.is_mesh(domain) then
        return nil
    elseif unread then
        return refuse(session, domain, "the pinned certificates cannot be read")
    elseif not cert then
        return refuse(session, domain, "a certificate is needed")
    end
    local address = session.ip or session.conn and session.conn:ip()
    local neighbor = neighbors.who(domain, address)
    local sha256 = cert:digest("sha256")
    local pin = pins.of(domain)
    if pin and pin ~= sha256 then
        return impostor(session, domain, neighbor, sha256)
    end
    local why = not pin and acquaint(domain, sha256, neighbor, address)
    if why then
        return refuse(session, domain, why)
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
