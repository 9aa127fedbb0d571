-- Opens streams to neighbors that come, and closes those of neighbors that leave.

local id = require "util.id"
local s2smanager = require "core.s2smanager"
local server_socket = require "socket"
local st = require "util.stanza"
local timer = require "util.timer"

local contacts = part "contacts"
local courier = part "courier"
local neighbors = part "neighbors"
local outbox = part "outbox"

local links = {}

local FIRST_RETRY_S, LONGEST_RETRY_S = 0.25, 60
local LASTED_S = 10 -- a stream that lasted as long was a good one
local LOOK_S = 5 -- how often streams nobody vouches for must answer

local host_modules = {} -- host -> its module API
local retries = {} -- domain -> { count, timer }
local has_news -- whether meshwatchd is there to vouch for anybody
local stopping = false

local s2s_sessions = module:shared("/*/s2s/sessions") -- mod_s2s's own, by connection

-- ---- opening ---------------------------------------------------------------------------------

-- Open a stream, by a question that needs one (XEP-0199).
local function open(from, to)
    local host_module = host_modules[from]
    if host_module and neighbors.in_range(to) then
        local ping = st.iq({ type = "get", from = from, to = to, id = id.short() })
        ping:tag("ping", { xmlns = "urn:xmpp:ping" }):up()
        host_module:send_iq(ping):catch(function() end)
    end
end

local function forget_retry(domain)
    if retries[domain] and retries[domain].timer then
        timer.stop(retries[domain].timer)
        retries[domain].timer = nil
    end
end

-- A neighbor is there: tell it who is online here, ask the same, send what waits for it.
function links.meet(domain)
    forget_retry(domain)
    if stopping or not neighbors.in_range(domain) then
        return
    end
    for _, host_module in pairs(host_modules) do
        contacts.refresh(host_module, domain)
    end
    for _, from in ipairs(outbox.senders(domain)) do
        courier.pump(from, domain)
    end
end

local function wanted(domain)
    if outbox.senders(domain)[1] then
        return true
    end
    for host in pairs(host_modules) do
        if contacts.wanted(host, domain) then
            return true
        end
    end
    return false
end

-- The neighbor may not know of us yet, or restarts: try again soon, then ever less often.
local function retry(domain)
    if stopping or not neighbors.in_range(domain) or not wanted(domain) then
        return
    end
    local state = retries[domain] or { count = 0 }
    retries[domain] = state
    forget_retry(domain)
    local delay_s = math.min(FIRST_RETRY_S * 2 ^ state.count, LONGEST_RETRY_S)
    state.count = state.count + 1
    state.timer = timer.add_task(delay_s, function()
        state.timer = nil
        links.meet(domain)
    end)
end

-- ---- closing ---------------------------------------------------------------------------------

-- Have the kernel throw away what it has not sent, instead of trying for a quarter of an hour; the
-- neighbor, if it hears us after all, learns at once. LuaSec hides the option of its socket.
local function reset_on_close(conn)
    local socket = conn.socket and conn:socket()
    if socket and socket.getfd and socket:getfd() >= 0 then
        local handle = server_socket.tcp()
        handle:setfd(socket:getfd())
        handle:setoption("linger", { on = true, timeout = 0 })
        handle:setfd(-1)
    end
end

local function drop(session, why)
    local conn = session.conn
    s2smanager.destroy_session(session, why)
    if conn then
        reset_on_close(conn)
        s2s_sessions[conn] = nil -- no goodbye: nobody is there to hear it
        if conn.destroy then
            conn:destroy()
        else
            conn:close()
        end
    end
end

local function sessions_with(domain)
    local found = {}
    for _, host in pairs(prosody.hosts) do
        found[#found + 1] = host.s2sout and host.s2sout[domain]
    end
    for session in pairs(s2smanager.incoming_s2s) do
        local known = false
        for _, other in ipairs(found) do
            known = known or other == session
        end
        if session.from_host == domain and not known then
            found[#found + 1] = session
        end
    end
    return found
end

-- A neighbor that served this domain has left. If another one does, streams to it stay.
function links.part(domain, why)
    local leaving, staying = {}, false
    for _, session in ipairs(sessions_with(domain)) do
        if session.ip and neighbors.who(domain, session.ip) then
            staying = true
        else
            leaving[#leaving + 1] = session
        end
    end
    if not staying then
        contacts.offline(domain, why)
    end
    for _, session in ipairs(leaving) do
        drop(session, why)
    end
    forget_retry(domain)
    retries[domain] = nil
    local what = staying and "elsewhere now" or "out of range"
    module:log("info", "%s is %s: %d streams closed", domain, what, #leaving)
    links.meet(domain)
end

-- Whether there is a stream to this domain, or one is being opened.
function links.connected(domain)
    return sessions_with(domain)[1] ~= nil
end

-- Attempts to connect that began before the neighbor was there wait for TCP's next try: give up.
function links.start_over(domain)
    for _, session in ipairs(sessions_with(domain)) do
        if session.type == "s2sout_unauthed" and not session.conn then
            drop(session, "trying again")
        end
    end
    retries[domain] = nil
    links.meet(domain)
end

-- ---- what happens to streams -----------------------------------------------------------------

local function ended(event)
    local session = event.session
    local _, domain = courier.ends(session)
    local stream = courier.streams()[session]
    courier.ended(session)
    if neighbors.is_mesh(domain) then
        if stream and stream.since_s and os.time() - stream.since_s >= LASTED_S then
            retries[domain] = nil
        end
        retry(domain)
    end
end

-- The neighbor has just connected to us, so our own attempt that still waits is of no use.
local function overtaken(session)
    local host, domain = session.to_host, session.from_host
    local pending = prosody.hosts[host].s2sout[domain]
    if not pending or pending == session or not neighbors.is_mesh(domain) then
        return
    elseif pending.type == "s2sout_unauthed" and not pending.conn and session.outgoing then
        drop(pending, "the neighbor connected first")
        prosody.hosts[host].s2sout[domain] = session
        links.meet(domain)
    elseif pending.type == "s2sout" then
        pending.sends2s(" ") -- if the neighbor knows nothing of this stream, it resets it
    end
end

-- A neighbor that the table does not know, or a table that is not there: the stream itself must
-- show that it is alive.
local function look()
    for session, stream in pairs(courier.streams()) do
        local _, domain = courier.ends(session)
        local vouched = has_news() and neighbors.in_range(domain)
        if courier.managed(session) and stream.ready and neighbors.is_mesh(domain) and not vouched then
            if stream.asked then
                contacts.offline(domain, "no answer")
                drop(session, "no answer")
            else
                courier.ask(session)
            end
        end
    end
    return not stopping and LOOK_S or nil
end

-- What waits for a stream to open is a list of pairs; since Prosody 13, a queue (util.queue).
local function without_presence(session)
    local waiting, rest = session.sendq, {}
    if not waiting then
        return
    elseif waiting.pop then
        for _ = 1, waiting:count() do
            local stanza = waiting:pop()
            if stanza.name ~= "presence" then
                waiting:push(stanza)
            end
        end
        return
    end
    for _, item in ipairs(waiting) do
        if not (item[2] and item[2].name == "presence") then
            rest[#rest + 1] = item
        end
    end
    session.sendq = rest
end

function links.add_host(host_module)
    host_modules[host_module.host] = host_module
    host_module:hook("s2sout-created", function(event)
        local session = event.session
        if not neighbors.is_mesh(session.to_host) then
            return
        end
        local bounce = session.bounce_sendq
        -- Presence that did not get through is no error to show to anybody: it is sent anew.
        function session.bounce_sendq(this, reason)
            without_presence(this)
            return bounce(this, reason)
        end
    end)
    host_module:hook("s2sin-established", function(event)
        overtaken(event.session)
    end, -1)
end

function links.remove_host(host)
    host_modules[host] = nil
end

function links.stop()
    stopping = true
    for domain in pairs(retries) do
        forget_retry(domain)
    end
end

-- vouching() tells whether meshwatchd is there.
function links.start(vouching)
    has_news = vouching
    module:hook("s2s-destroyed", ended)
    -- mod_s2s connects on behalf of streams that were given up in the meantime.
    module:hook("s2sout-connected", function(event)
        if event.session.destroyed and event.session.conn then
            event.session.conn:close()
        end
    end)
    timer.add_task(LOOK_S, look)
end

links.open, links.drop = open, drop

return links
