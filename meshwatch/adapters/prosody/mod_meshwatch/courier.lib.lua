-- Carries what the outbox keeps to neighbors, in order, until they acknowledge it (XEP-0198).
--
-- A message is removed from the disk when the neighbor's server says that it has handled it. What a
-- broken stream leaves in doubt is sent again under the same id, and the neighbor's mod_meshwatch
-- drops it if it had come.

local datetime = require "util.datetime"
local st = require "util.stanza"

local clock = part "clock"
local outbox = part "outbox"

local courier = {}

local SM = "urn:xmpp:sm:3"
local ONCE = "urn:meshwatch:once:1"
local WINDOW = 64 -- stanzas in flight on one stream; taken.lib.lua remembers more
local LATE_S = 2 -- older ones say when they were written (XEP-0203)

local open -- opens a stream between two domains
local hold_s
local stopping = false
-- Established streams: session -> { managed, ready, since_s, asked, flight = {{ position, entry }...} }.
local streams = setmetatable({}, { __mode = "k" })

-- Our host and the neighbor's domain of a stream, whoever opened it.
function courier.ends(session)
    if session.direction == "outgoing" then
        return session.from_host, session.to_host
    end
    return session.to_host, session.from_host
end

local function stream_of(session)
    streams[session] = streams[session] or { flight = {} }
    return streams[session]
end

function courier.expired(entry)
    return clock.now() - entry.held_s >= hold_s
end

local function send(session, stream, entry)
    local stanza = outbox.stanza(entry)
    if not stanza then
        module:log("error", "%s cannot be read any more: dropped", entry.path)
        return outbox.remove(entry)
    end
    if clock.now() - entry.held_s >= LATE_S then
        local stamp = datetime.datetime(clock.wall(entry.held_s))
        stanza:tag("delay", { xmlns = "urn:xmpp:delay", from = entry.from, stamp = stamp }):up()
    end
    stanza:tag("once", { xmlns = ONCE, id = entry.id }):up()
    session.sends2s(stanza)
    local queue = session.outgoing_stanza_queue
    if stream.managed and queue then
        local position = queue:count_acked() + queue:count_unacked()
        entry.session = session
        table.insert(stream.flight, { position = position, entry = entry })
    elseif not session.destroyed then -- the neighbor never acknowledges: as good as it gets
        outbox.remove(entry)
    end
end

-- Send what can be sent from this host to this domain, and see to it that there is a stream.
function courier.pump(from, to)
    local waiting = {}
    for _, entry in ipairs(outbox.entries(from, to)) do
        if not entry.session and not courier.expired(entry) then
            waiting[#waiting + 1] = entry
        end
    end
    if stopping or not waiting[1] then
        return
    end
    local session = prosody.hosts[from] and prosody.hosts[from].s2sout[to]
    if not session then
        return open(from, to)
    end
    local stream = streams[session]
    if not (stream and stream.ready) then
        return -- pumped again when it is
    end
    for _, entry in ipairs(waiting) do
        if #stream.flight >= WINDOW or session.destroyed then
            return
        end
        send(session, stream, entry)
    end
end

local function ready(session)
    if not session.destroyed then
        local stream = stream_of(session)
        stream.ready, stream.since_s = true, os.time()
        courier.pump(courier.ends(session))
    end
end

-- Established streams by session, for those who look after them.
function courier.streams()
    return streams
end

-- Ask the other end for a sign of life; its answer comes as an acknowledgement.
function courier.ask(session)
    streams[session].asked = true
    session.sends2s(st.stanza("r", { xmlns = SM }))
end

-- The mark of what an outbox sent, ours or a neighbor's, or nil; a stranger may have made it up.
function courier.id_of(stanza)
    local once = stanza:get_child("once", ONCE)
    local id = once and once.attr.id
    return id and #id <= 64 and id:match("^[%w_-]+$")
end

function courier.strip(stanza)
    stanza:remove_children("once", ONCE)
end

-- The stream is gone: what it carried in doubt waits for the next one.
function courier.ended(session)
    local stream = streams[session]
    streams[session] = nil
    for _, flying in ipairs(stream and stream.flight or {}) do
        flying.entry.session = nil
    end
end

local function acknowledged(session, h)
    local stream = streams[session]
    if not (stream and h) then
        return
    end
    stream.asked = nil
    while stream.flight[1] and stream.flight[1].position <= h do
        outbox.remove(table.remove(stream.flight, 1).entry)
    end
    courier.pump(courier.ends(session))
end

-- Streams that were there before this module was, or before it was loaded anew.
local function adopt(host)
    for _, session in pairs(prosody.hosts[host].s2sout) do
        if session.type == "s2sout" or session.type == "s2sin" then
            local stream = stream_of(session)
            stream.managed = session.outgoing_stanza_queue ~= nil
            stream.ready, stream.since_s = true, os.time()
        end
    end
end

-- Follow the streams of one of our hosts.
function courier.add_host(host_module)
    adopt(host_module.host)
    -- mod_smacks enables acknowledgements when it sees this offer, and queues from then on.
    host_module:hook_tag("http://etherx.jabber.org/streams", "features", function(session, features)
        if session.type == "s2sout" and features:get_child("sm", SM) then
            stream_of(session).managed = true
        end
    end, 1)
    host_module:hook("s2sout-established", function(event)
        if not stream_of(event.session).managed then
            ready(event.session)
        end
    end)
    host_module:hook_tag(SM, "enabled", function(session)
        ready(session)
    end, 101)
    -- The other end opened the stream and enables acknowledgements; mod_smacks does so right after.
    host_module:hook_tag(SM, "enable", function(session)
        if session.type == "s2sin" then
            stream_of(session).managed = true
            host_module:add_timer(0, function()
                ready(session)
            end)
        end
    end, 101)
    host_module:hook("s2sin-established", function(event)
        local session = event.session
        stream_of(session)
        host_module:add_timer(LATE_S, function()
            if not session.destroyed and not stream_of(session).managed then
                ready(session)
            end
        end)
    end)
    host_module:hook_tag(SM, "a", function(session, stanza)
        acknowledged(session, tonumber(stanza.attr.h))
    end, 10)
end

function courier.stop()
    stopping = true
end

-- seconds: how long a message is worth sending; opener(from, to) opens a stream.
function courier.start(seconds, opener)
    hold_s, open = seconds, opener
end

return courier
