-- Lets Prosody know its neighbors: who comes into radio range is connected to at once, who leaves is
-- shown offline at once, and what was written meanwhile is held on disk. See ../README.md.

module:set_global()
module:depends("s2s")

local jid = require "util.jid"
local manual = require "net.resolvers.manual"
local service = require "net.resolvers.service"
local st = require "util.stanza"

local DAY_S = 86400
local CHAT_STATES = "http://jabber.org/protocol/chatstates"
local HINTS = "urn:xmpp:hints"

-- The files beside this one, each loaded once. They find this function in their environment.
local parts = {}
function part(name) -- luacheck: ignore 111
    parts[name] = parts[name] or module:require(name)
    return parts[name]
end

local neighbors = part "neighbors"
local clock = part "clock"
local outbox = part "outbox"
local taken = part "taken"
local pins = part "pins"
local contacts = part "contacts"
local courier = part "courier"
local links = part "links"
local overdue = part "overdue"
local news = part "news"
local shell = part "shell"

local directory = prosody.paths.data .. "/meshwatch"
local socket_path = module:get_option_string("meshwatch_socket", "/run/meshwatch/news.sock")
local domains = module:get_option_array("meshwatch_domains", { "local", "mesh", "internal", "home.arpa" })
local servers = module:get_option("meshwatch_servers", {})
local hold_s = module:get_option_number("meshwatch_hold_days", 7) * DAY_S
local hold_messages = module:get_option_number("meshwatch_hold_messages", 1000)
local hold_bytes = module:get_option_number("meshwatch_hold_bytes", 16 * 1024 * 1024)
local answer_s = module:get_option_number("meshwatch_answer_seconds", 60)
local pin_first_use = module:get_option_boolean("meshwatch_pin_first_use", true)
local pin_only_direct = module:get_option_boolean("meshwatch_pin_only_direct", true)
local pin_only_sae = module:get_option_boolean("meshwatch_pin_only_sae", false)
local roster_group = module:get_option_string("meshwatch_roster_group")

-- ---- what is said to neighbors ---------------------------------------------------------------

local subscription_types = { subscribe = true, subscribed = true, unsubscribe = true, unsubscribed = true }

local function only_chat_states(stanza)
    for child in stanza:childtags() do
        if child.attr.xmlns ~= CHAT_STATES and child.name ~= "thread" then
            return false
        end
    end
    return true
end

-- Whether a stanza is worth keeping until its receiver is there, as XEP-0160 and XEP-0334 see it.
local function lasting(stanza)
    local kind = stanza.attr.type
    if stanza.name == "presence" then
        return subscription_types[kind] or false
    end
    return stanza.name == "message"
        and (kind == nil or kind == "chat" or kind == "normal")
        and not stanza:get_child("no-store", HINTS)
        and not only_chat_states(stanza)
end

local function answer(host_module, stanza, condition, text)
    local kind = stanza.attr.type
    if kind ~= "error" and kind ~= "result" then
        host_module:send(st.error_reply(stanza, "wait", condition, text))
    end
end

-- Everything lasting goes through the outbox, also to a neighbor that is there: whether it still is
-- shows only when its server has acknowledged the message.
local function say(host_module, event)
    local stanza, from, to = event.stanza, event.from_host, event.to_host
    if not neighbors.is_mesh(to) then
        return nil
    elseif outbox.has(courier.id_of(stanza) or "") then
        return true -- mod_smacks sends a copy again, as configured
    end
    courier.strip(stanza)
    if lasting(stanza) then
        -- Prosody repeats a subscription request at each login; once is enough for who reads it later.
        if stanza.name == "presence" and outbox.has_like(from, to, stanza) then
            return true
        end
        local entry, condition, text = outbox.put(from, to, stanza)
        if entry then
            courier.pump(from, to)
        else
            answer(host_module, stanza, condition, text)
        end
        return true
    elseif prosody.hosts[from].s2sout[to] or neighbors.in_range(to) then
        return nil
    elseif stanza.name == "iq" or stanza.name == "message" and not only_chat_states(stanza) then
        answer(host_module, stanza, "remote-server-timeout", "not in radio range")
    end
    return true -- presence is told anew on arrival
end

-- What mod_smacks gives up on when a stream breaks: the outbox and the next arrival see to it.
local function failed(event)
    local stanza = event.stanza
    local to = stanza.attr.to and jid.host(stanza.attr.to)
    if neighbors.is_mesh(to) and (stanza.name == "presence" or outbox.has(courier.id_of(stanza) or "")) then
        return true
    end
end

-- Around all that is done with a stanza from a neighbor: not twice.
local function hear(host, handlers, event_name, event)
    local stanza, kind = event.stanza, event.origin and event.origin.type
    local id = courier.id_of(stanza)
    courier.strip(stanza)
    local from = stanza.attr.from and jid.host(stanza.attr.from)
    if not id or not (kind == "s2sin" or kind == "s2sout") or not neighbors.is_mesh(from) then
        return handlers(event_name, event)
    elseif taken.before(from, host, id) then
        return true
    end
    local result = handlers(event_name, event)
    taken.note(from, host, id)
    return result
end

-- ---- Prosody's events ------------------------------------------------------------------------

-- Since 0.12.4 Prosody asks before it connects. Before, mod_s2s takes this function from the table
-- of its module each time, so that it can be replaced there.
local original_service_new = service.new
local features = require "core.features".available
if not features:contains("s2sout-pre-connect-event") then
    function service.new(hostname, name, kind, extra) -- luacheck: ignore 122
        if neighbors.is_mesh(hostname) then
            -- "xmpps-server" would be TLS from the first byte, which nobody announced.
            return name == "xmpp-server" and neighbors.resolver(hostname, extra) or manual.new({})
        end
        return original_service_new(hostname, name, kind, extra)
    end
end

function module.add_host(host_module)
    if host_module:get_host_type() ~= "local" then
        return
    end
    host_module:depends("s2s")
    host_module:depends("s2s_bidi")
    host_module:depends("smacks")
    contacts.add_host(host_module)
    courier.add_host(host_module)
    overdue.add_host(host_module)
    links.add_host(host_module)
    host_module:hook("route/remote", function(event)
        return say(host_module, event)
    end, 10)
    host_module:hook("delivery/failure", failed, 10)
    host_module:hook("s2s-authenticated", pins.confirm, 100)
    for _, name in ipairs({ "message/bare", "message/full", "message/host", "presence/bare" }) do
        host_module:wrap_event(name, function(handlers, event_name, event)
            return hear(host_module.host, handlers, event_name, event)
        end)
    end
    host_module:hook("s2sout-pre-connect", function(event)
        if neighbors.is_mesh(event.session.to_host) then
            event.resolver = neighbors.resolver(event.session.to_host, { default_port = 5269 })
        end
    end)
    function host_module.unload()
        links.remove_host(host_module.host)
    end
end

module:hook("s2s-check-certificate", pins.check, 600)

module:hook("server-stopping", function()
    courier.stop()
    links.stop()
    news.stop()
end, 100)

-- ---- begin and end ---------------------------------------------------------------------------

function module.save()
    return { contacts = contacts.save() }
end

function module.restore(data)
    contacts.restore(data.contacts)
end

function module.unload()
    service.new = original_service_new -- luacheck: ignore 122
    courier.stop()
    links.stop()
    news.stop()
    shell.remove()
end

local function start()
    contacts.start(roster_group)
    links.start(function()
        return news.connected
    end)
    overdue.start(hold_s)
    news.start(socket_path, neighbors)
end

part "disk".make_directory(directory)
clock.open(directory .. "/clock", hold_s)
outbox.open(directory .. "/outbox", { messages = hold_messages, bytes = hold_bytes })
taken.open(directory .. "/taken")
local first_use = { allowed = pin_first_use, direct = pin_only_direct, sae = pin_only_sae }
pins.open(directory .. "/pins.json", first_use)
courier.start(hold_s, answer_s, links.open, links.drop)
part "rows".start(domains, servers, pins.at)
neighbors.start({
    arrived = function(domain, neighbor)
        module:log("info", "%s is in range: %s on %s", domain, neighbor.mac, neighbor.interface)
        contacts.regroup()
        links.start_over(domain)
    end,
    stayed = function(domain, _, _, moved)
        contacts.regroup()
        if moved or not links.connected(domain) then
            links.start_over(domain)
        end
    end,
    left = function(domain)
        links.part(domain, "out of radio range")
        contacts.regroup()
    end,
})
shell.start()
if not part "disk".durable then
    module:log("warn", "without lua-luv held messages survive a crash of Prosody, not of the machine")
end

if prosody.start_time then
    start()
else
    module:hook("server-started", start)
end
