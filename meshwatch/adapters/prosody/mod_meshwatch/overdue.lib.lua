-- Tells writers what waited too long: at once or, if nobody is there to be told, at their next login.

local jid = require "util.jid"
local st = require "util.stanza"
local user_exists = require "core.usermanager".user_exists

local clock = part "clock"
local courier = part "courier"
local outbox = part "outbox"

local overdue = {}

local REMEMBERED = 100 -- errors for one writer who does not come back

local hold_s
local stores = {} -- host -> { username -> list of { id, to } }, a store of Prosody's

-- One device of this writer, the one that wrote if it is there.
local function device_of(writer)
    if prosody.full_sessions[writer] then
        return writer
    end
    local user = prosody.bare_sessions[jid.bare(writer)]
    local _, session = next(user and user.sessions or {})
    return session and session.full_jid
end

local function tell(host, device, attr)
    local message = st.message({ id = attr.id, from = device, to = attr.to })
    module:context(host):send(st.error_reply(message, "cancel", "remote-server-timeout",
        "not delivered: the neighbor did not come into range in time"))
end

-- Remember to tell. Whether that is done, or needless: an account may be gone.
local function remember(host, username, attr)
    if not (stores[host] and username and user_exists(username, host)) then
        return true
    end
    local errors = stores[host]:get(username) or {}
    errors[#errors + 1] = { id = attr.id, to = attr.to }
    if #errors > REMEMBERED then
        table.remove(errors, 1)
        module:log("warn", "%s@%s does not come to hear of all that expired", username, host)
    end
    local ok, err = stores[host]:set(username, errors)
    if not ok then
        module:log("error", "cannot remember an error for %s@%s: %s", username, host, err)
    end
    return ok
end

-- Tell what expired while nobody was there.
local function welcome(host, session)
    local errors, err = stores[host]:get(session.username)
    for _, attr in ipairs(errors or {}) do
        tell(host, session.full_jid, attr)
    end
    if errors then
        stores[host]:set(session.username, nil)
    elseif err then
        module:log("error", "cannot read what expired of %s@%s: %s", session.username, host, err)
    end
end

-- A request that nobody saw is made again by Prosody itself; only a message is missed.
local function give_up(entry)
    local attr = entry.head and entry.head.name == "message" and entry.head.attr
    local device = attr and device_of(attr.from)
    if device then
        tell(entry.from, device, attr)
    elseif attr and not remember(entry.from, jid.node(attr.from), attr) then
        return -- the disk may be full: try again
    end
    outbox.remove(entry)
end

local function look()
    for _, entry in ipairs(outbox.all()) do
        if courier.expired(entry) and not entry.session then
            give_up(entry)
        end
    end
    if outbox.count > 0 then
        clock.remember()
    end
    return math.max(1, math.min(60, hold_s / 4))
end

function overdue.add_host(host_module)
    stores[host_module.host] = host_module:open_store("meshwatch_errors")
    host_module:hook("presence/initial", function(event)
        welcome(host_module.host, event.origin)
    end)
end

-- seconds: how long a message is held.
function overdue.start(seconds)
    hold_s = seconds
    module:add_timer(1, look)
end

return overdue
