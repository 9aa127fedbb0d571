-- What people see: contacts of neighbors online and offline, and a roster group of who is near.

local jid = require "util.jid"
local rostermanager = require "core.rostermanager"
local st = require "util.stanza"

local neighbors = part "neighbors"

local contacts = {}

local RESOURCES = 256 -- of one domain that one of our users is shown

local group -- name of the roster group, or nil
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
    if kind == nil and not shown.full[from] and shown.count < RESOURCES then
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
    for bare, there in pairs(shown) do
        for full in pairs(there.full) do
            local stanza = st.presence({ type = "unavailable", from = full, to = bare })
            stanza:tag("status"):text(why):up()
            prosody.core_post_stanza(prosody.hosts[jid.host(bare)], stanza)
        end
    end
end

-- ---- the roster group ------------------------------------------------------------------------

local function people_near()
    local near = {}
    for _, neighbor in ipairs(neighbors.all()) do
        for _, person in ipairs(neighbor.people) do
            if not neighbor.refused[jid.host(person.jid)] then
                near[person.jid] = person
            end
        end
    end
    return near
end

-- Bring a roster in line with who is near; which JIDs changed. Nothing of it is ever stored.
local function line_up(roster, near)
    local changed = {}
    for contact, item in pairs(roster) do
        if contact and item.near and not near[contact] then
            changed[#changed + 1] = contact
        end
    end
    for _, contact in ipairs(changed) do
        roster[contact] = nil
    end
    for contact, person in pairs(near) do
        if not roster[contact] then
            roster[contact] = {
                subscription = "both", name = person.nick, groups = { [group] = true },
                persist = false, near = true,
            }
            changed[#changed + 1] = contact
        end
    end
    return changed
end

-- Strangers who are near appear in a group of every roster by themselves, and leave it.
function contacts.regroup()
    if not group then
        return
    end
    local near = people_near()
    for host, this in pairs(prosody.hosts) do
        for username in pairs(this.type == "local" and this.sessions or {}) do
            local roster = rostermanager.load_roster(username, host)
            for _, contact in ipairs(line_up(roster, near)) do
                rostermanager.roster_push(username, host, contact)
            end
        end
        -- Rosters of users who are offline, which Prosody keeps for when they are not.
        for _, roster in (this.roster_cache and this.roster_cache:items() or pairs({})) do
            line_up(roster, near)
        end
    end
end

function contacts.add_host(host_module)
    host_module:hook("presence/bare", note, 500)
    host_module:hook("presence/full", note, 500)
    host_module:hook("roster-load", function(event)
        if group then
            line_up(event.roster, people_near())
        end
    end)
end

function contacts.save()
    return seen
end

function contacts.restore(saved)
    seen = saved
end

function contacts.start(group_name)
    group = group_name
end

return contacts
