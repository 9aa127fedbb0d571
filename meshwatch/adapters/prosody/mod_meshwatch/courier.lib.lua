-- Carries what the outbox keeps to neighbors, in order, until they acknowledge it.
--
-- A message is removed from the disk when the neighbor's server says that it has handled it: by stream
-- management (XEP-0198) or, on a stream without, by answering a ping that was sent after it (XEP-0199),
-- with whatever answer, as streams keep order. What a broken stream leaves in doubt is sent again under
-- the same id, and the neighbor's mod_meshwatch drops it if it had come. A server that answers no ping
-- is sent nothing, as it would get the same again and again: the first thing on a stream is a ping.

local datetime = require "util.datetime"
local new_id = require "util.id".medium
local st = require "util.stanza"

local clock = part "clock"
local neighbors = part "neighbors"
local outbox = part "outbox"

local courier = {}

local SM = "urn:xmpp:sm:3"
local ONCE = "urn:meshwatch:once:1"
local PING = "urn:xmpp:ping"
local WINDOW = 64 -- stanzas in flight on one stream; taken.lib.lua remembers more
local BATCH = 64 * 1024 -- bytes for one ping, unless a single stanza is longer
local LATE_S = 2 -- older ones say when they were written (XEP-0203)
local SETTLE_S = 2 -- then a stream without stream management will not have it any more

local open, close -- a stream between two domains; a session, and why
local hold_s, answer_s
local stopping = false
-- Established streams: session -> { ready, since_s, asked, flight = {{ position, entry }...} }; without
-- stream management also ping = { id, entries that it vouches for }, and whether it answers.
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

-- Whether both ends count stanzas (mod_smacks has begun to count what comes, too).
function courier.managed(session)
    return session.smacks == SM and session.handled_stanza_count ~= nil
end

-- Whether it was sent: the entry then belongs to this stream, until that ends.
local function send(session, entry)
    local stanza = outbox.stanza(entry)
    if not stanza then
        module:log("error", "%s cannot be read any more: dropped", entry.path)
        outbox.remove(entry)
        return false
    end
    if clock.now() - entry.held_s >= LATE_S then
        local stamp = datetime.datetime(clock.wall(entry.held_s))
        stanza:tag("delay", { xmlns = "urn:xmpp:delay", from = entry.from, stamp = stamp }):up()
    end
    stanza:tag("once", { xmlns = ONCE, id = entry.id }):up()
    session.sends2s(stanza)
    entry.session = not session.destroyed and session or nil
    return entry.session ~= nil
end

local function send_managed(session, stream, waiting)
    for _, entry in ipairs(waiting) do
        if #stream.flight >= WINDOW or session.destroyed then
            return
        elseif send(session, entry) then
            local queue = session.outgoing_stanza_queue
            local position = queue:count_acked() + queue:count_unacked()
            table.insert(stream.flight, { position = position, entry = entry })
        end
    end
end

local function send_pinged(session, stream, waiting)
    local ping = { id = new_id(), entries = {} }
    local bytes = 0
    stream.ping = ping
    for _, entry in ipairs(stream.answers and waiting or {}) do
        if #ping.entries >= WINDOW or bytes > 0 and bytes + entry.bytes > BATCH then
            break
        elseif send(session, entry) then
            table.insert(ping.entries, entry)
            bytes = bytes + entry.bytes
        elseif session.destroyed then
            return
        end
    end
    local from, to = courier.ends(session)
    module:log("debug", "%s is asked whether it answers, after %d messages", to, #ping.entries)
    session.sends2s(st.iq({ type = "get", id = ping.id, from = from, to = to }):tag("ping", { xmlns = PING }))
    module:add_timer(answer_s, function()
        if stream.ping == ping and not session.destroyed then
            module:log("warn", "%s does not answer, so what is for it stays held", to)
            stream.since_s = nil -- no good stream: the next one later
            close(session, "no answer")
        end
    end)
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
    elseif courier.managed(session) then
        send_managed(session, stream, waiting)
    elseif not stream.ping then -- else pumped again when that is answered
        send_pinged(session, stream, waiting)
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
    for _, entry in ipairs(stream and stream.ping and stream.ping.entries or {}) do
        entry.session = nil
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

-- The answer to a ping of ours. What Prosody itself says of a ping that it could not send is none.
local function answered(event)
    local origin, attr = event.origin, event.stanza.attr
    if origin.dummy or not (origin.type == "s2sin" or origin.type == "s2sout") then
        return nil
    end
    for session, stream in pairs(streams) do
        local from, to = courier.ends(session)
        local ping = stream.ping
        if ping and ping.id == attr.id and to == attr.from and from == attr.to
            and (attr.type == "result" or attr.type == "error") then
            stream.ping, stream.answers = nil, true
            for _, entry in ipairs(ping.entries) do
                outbox.remove(entry)
            end
            courier.pump(from, to)
            return true
        end
    end
end

-- Streams that were there before this module was, or before it was loaded anew.
local function adopt(host)
    for _, session in pairs(prosody.hosts[host].s2sout) do
        if session.type == "s2sout" or session.type == "s2sin" then
            local stream = stream_of(session)
            stream.ready, stream.since_s = true, os.time()
        end
    end
end

-- Stream management may yet come, or not, and be asked for in vain.
local function settle(session)
    stream_of(session)
    module:add_timer(SETTLE_S, function()
        if streams[session] and not streams[session].ready then
            ready(session)
        end
    end)
end

-- Whether stream management was asked for with a neighbor, who has not agreed.
local function pending(session)
    local _, domain = courier.ends(session)
    return session.smacks and neighbors.is_mesh(domain) and not courier.managed(session)
end

-- mod_smacks does not listen for a refusal, and would go on to ask for acknowledgements.
local function refused(session)
    if pending(session) then
        session.smacks, session.outgoing_stanza_queue, session.awaiting_ack = nil, nil, nil
        ready(session)
        return true
    end
end

-- Follow the streams of one of our hosts.
function courier.add_host(host_module)
    local manages = host_module:get_option_boolean("smacks_enabled_s2s", true)
    if not manages then
        host_module:log("warn", "smacks_enabled_s2s is false: neighbors acknowledge by pings, slowly")
    end
    adopt(host_module.host)
    -- mod_smacks takes this offer right after, and is told whether it may.
    host_module:hook_tag("http://etherx.jabber.org/streams", "features", function(session, features)
        if session.type == "s2sout" and manages and features:get_child("sm", SM) then
            stream_of(session).offered = true
        end
    end, 1)
    host_module:hook("s2sout-established", function(event)
        if stream_of(event.session).offered then
            settle(event.session)
        else
            ready(event.session)
        end
    end)
    host_module:hook("s2sin-established", function(event)
        settle(event.session)
    end)
    -- Whoever opened the stream asks, the other one agrees; mod_smacks begins to count right after.
    for _, name in ipairs({ "enable", "enabled" }) do
        host_module:hook_tag(SM, name, function(session)
            host_module:add_timer(0, function()
                if courier.managed(session) then
                    ready(session)
                end
            end)
        end, 101)
    end
    host_module:hook_tag(SM, "failed", refused)
    -- Nor does it wait for consent; who refuses may close a stream on which acknowledgements are asked for.
    host_module:hook("s2s-pre-ondrain", function(event)
        return pending(event.session) or nil
    end, 10)
    host_module:hook_tag(SM, "a", function(session, stanza)
        acknowledged(session, tonumber(stanza.attr.h))
    end, 10)
    host_module:hook("iq/host", answered, 10)
end

function courier.stop()
    stopping = true
end

-- hold: seconds that a message is worth sending; answer: seconds that a neighbor has to answer.
-- opener(from, to) opens a stream, closer(session, why) closes one.
function courier.start(hold, answer, opener, closer)
    hold_s, answer_s, open, close = hold, answer, opener, closer
end

return courier
