-- What people see: contacts of neighbors online, and offline.

local jid = require "util.jid"
local rostermanager = require "core.rostermanager"
local st = require "util.stanza"

local group = part "group"
local neighbors = part "neighbors"

local contacts = {}

local RESOURCES = 256 -- of one domain that one of our users is shown

local seen = {} -- domain -> our user's bare JID -> { [contact's full JID] = true }

local function users(host)
    return (prosody.hosts[host] or {}).sessions or {}
end

-- Every contact at this domain of a user of this host who is online now.
local function each_contact(host, domain, visit)
    for username, user in pairs(users(host)) do
        for contact, item in pairs(rostermanager.load_roster(username, host) or {}) do
            if contact and jid.host(contact) == domain then
                visit(username, user, contact, item.subscription)
            end
        end
    end
end

local function sees(subscription)
    return subscription == "both" or subscription == "to"
end

local function shows(subscription)
    return subscription == "both" or subscription == "from"
end

-- Whether anybody here, now, has to do with anybody there.
function contacts.wanted(host, domain)
    local wanted = false
    each_contact(host, domain, function(_, _, _, subscription)
        wanted = wanted or sees(subscription) or shows(subscription)
    end)
    return wanted
end

-- Ask who is online there, and say who is here.
function contacts.refresh(host_module, domain)
    local stanzas = {}
    each_contact(host_module.host, domain, function(username, user, contact, subscription)
        local bare = jid.join(username, host_module.host)
        if sees(subscription) then
            stanzas[#stanzas + 1] = st.presence({ type = "probe", from = bare, to = contact })
        end
        for _, session in pairs(shows(subscription) and user.sessions or {}) do
            if session.presence and not session.presence.attr.type then
                local presence = st.clone(session.presence)
                presence.attr.from, presence.attr.to = session.full_jid, contact
                stanzas[#stanzas + 1] = presence
            end
        end
    end)
    for _, stanza in ipairs(stanzas) do
        host_module:send(stanza)
    end
end

local function note(event)
    local stanza = event.stanza
    local from, to, kind = stanza.attr.from, stanza.attr.to, stanza.attr.type
    local domain = from and to and jid.host(from)
    if not neighbors.is_mesh(domain) then
        return
    end
    local bare = jid.bare(to)
    local shown = seen[domain] and seen[domain][bare] or { count = 0, full = {} }
    local here = prosody.bare_sessions[bare] -- a neighbor may tell anybody, and make up whom
    if kind == nil and here and not shown.full[from] and shown.count < RESOURCES then
        seen[domain] = seen[domain] or {}
        seen[domain][bare] = shown
        shown.full[from], shown.count = true, shown.count + 1
    elseif kind == "unavailable" and shown.full[from] then
        shown.full[from], shown.count = nil, shown.count - 1
    end
end

-- Show everybody of this domain offline, to everybody who was shown them online.
function contacts.offline(domain, why)
    local shown = seen[domain] or {}
    seen[domain] = nil
    group.forget(domain)
    for bare, there in pairs(shown) do
        for full in pairs(there.full) do
            local stanza = st.presence({ type = "unavailable", from = full, to = bare })
            stanza:tag("status"):text(why):up()
            prosody.core_post_stanza(prosody.hosts[jid.host(bare)], stanza)
        end
    end
end

-- Strangers who are near come into everybody's roster, and leave it.
function contacts.regroup()
    for host, domains in pairs(group.regroup()) do
        for domain in pairs(domains) do
            if prosody.hosts[host].s2sout[domain] then -- else they are asked when there is a stream
                contacts.refresh(module:context(host), domain)
            end
        end
    end
end

function contacts.add_host(host_module)
    host_module:hook("presence/bare", note, 500)
    host_module:hook("presence/full", note, 500)
    group.add_host(host_module)
end

function contacts.save()
    return { seen = seen, removed = group.save() }
end

function contacts.restore(saved)
    seen = saved.seen
    group.restore(saved.removed)
end

contacts.start = group.start

return contacts
