-- A roster group of who is near: strangers come into it by themselves and leave it, and nothing of it
-- is ever stored.
--
-- To Prosody such a contact is one of a mutual subscription, to which nobody agreed. It must not
-- become a lasting one: whatever is asked or said of it begins like that of a contact never heard of.

local jid = require "util.jid"
local rostermanager = require "core.rostermanager"
local st = require "util.stanza"

local neighbors = part "neighbors"

local group = {}

local name -- nil: there is none
local removed = {} -- domain -> our user's bare JID -> { [bare JID of who is not to be listed] = true }

-- ---- who is listed ---------------------------------------------------------------------------

local function people_near()
    local near = {}
    for _, neighbor in ipairs(name and neighbors.all() or {}) do
        for _, person in ipairs(neighbor.people) do
            if not (neighbor.disputed or neighbor.clash or neighbor.refused[jid.host(person.jid)]) then
                near[person.jid] = person
            end
        end
    end
    return near
end

local function was_removed(user, contact)
    local users = removed[jid.host(contact)]
    return users and users[user] and users[user][contact]
end

-- Bring the roster of this user in line with who is near: which JIDs went, and which came.
local function line_up(user, roster, near)
    local gone, come = {}, {}
    for contact, item in pairs(roster) do
        if contact and item.near and not near[contact] then
            gone[#gone + 1] = contact
        end
    end
    for _, contact in ipairs(gone) do
        roster[contact] = nil
    end
    for contact, person in pairs(near) do
        if not roster[contact] and not was_removed(user, contact) then
            roster[contact] = {
                subscription = "both", name = person.nick, groups = { [name] = true }, near = true,
            }
            come[#come + 1] = contact
        end
    end
    return gone, come
end

local function push(username, host, contacts)
    for _, contact in ipairs(contacts) do
        rostermanager.roster_push(username, host, contact)
    end
end

local function line_up_all(near)
    local news = {}
    for host, this in pairs(prosody.hosts) do
        news[host] = {}
        for username in pairs(this.type == "local" and this.sessions or {}) do
            local roster = rostermanager.load_roster(username, host)
            local gone, come = line_up(jid.join(username, host), roster, near)
            push(username, host, gone)
            push(username, host, come)
            for _, contact in ipairs(come) do
                news[host][jid.host(contact)] = true
            end
        end
        if this.roster_cache then -- of users who are offline, kept for when they are not
            for user, roster in this.roster_cache:items() do
                line_up(user, roster, near)
            end
        end
    end
    return news
end

-- Who is near has changed. Where there are new contacts: host -> { [domain] = true }.
function group.regroup()
    return name and line_up_all(people_near()) or {}
end

-- ---- what is stored --------------------------------------------------------------------------

local function is_near(item)
    return type(item) == "table" and item.near
end

-- Prosody stores a contact whenever something of it changes, and some modules store whole rosters.
local function guard_store(event)
    if event.store_name ~= "roster" then
        return
    end
    local store = event.store
    local guarded = setmetatable({}, { __index = store })
    if event.store_type == "map" then
        function guarded.set_keys(_, username, items)
            local kept = {}
            for contact, item in pairs(items) do
                kept[contact] = is_near(item) and store.remove or item
            end
            return store:set_keys(username, kept)
        end
    else
        function guarded.set(_, username, roster)
            local kept = roster and {}
            for contact, item in pairs(roster or {}) do
                kept[contact] = not is_near(item) and item or nil
            end
            return store:set(username, kept)
        end
    end
    event.store = guarded
end

-- ---- what is asked and said of them ----------------------------------------------------------

local function near_item(username, host, contact)
    local roster = rostermanager.load_roster(username, host)
    local item = contact and roster and roster[contact]
    return is_near(item) and item or nil, roster
end

-- Our user makes it a contact of their own, with whom nothing is agreed yet.
local function adopt(username, host, contact)
    local item, roster = near_item(username, host, contact)
    if not item then
        return
    end
    roster[contact] = nil
    local user = prosody.hosts[host].sessions[username]
    for _, session in pairs(user and user.sessions or {}) do
        if session.presence then
            local stanza = st.presence({ type = "unavailable", from = session.full_jid, to = contact })
            prosody.core_post_stanza(prosody.hosts[host], stanza)
        end
    end
end

local function queried(event)
    local session, stanza = event.origin, event.stanza
    local query = stanza.tags[1]
    local item = query.tags[1]
    if not name then
        return
    elseif stanza.attr.type == "get" then
        query.attr.ver = nil -- who is near is in no version of the roster
    elseif item and item.attr.subscription ~= "remove" then
        adopt(session.username, session.host, jid.prep(item.attr.jid))
    end
end

local function said(event)
    local attr = event.stanza.attr
    local username, host = jid.split(attr.from)
    if name and username and (attr.type == "subscribe" or attr.type == "subscribed") then
        adopt(username, host, jid.bare(attr.to))
    end
end

-- Around what Prosody does when a contact asks: to one who is only near it would say yes.
local function asked(handlers, event_name, event)
    local attr = event.stanza.attr
    local username, host = jid.split(attr.to)
    if not (name and username and attr.type == "subscribe") then
        return handlers(event_name, event)
    end
    local contact = jid.bare(attr.from)
    local item, roster = near_item(username, host, contact)
    if not item then
        return handlers(event_name, event)
    end
    roster[contact] = nil
    local result = handlers(event_name, event)
    roster[contact] = roster[contact] or item
    return result
end

-- Our user wants no more of it; Prosody sees to the rest.
local function dropped(user, contact)
    local domain = jid.host(contact)
    if name and neighbors.at(domain)[1] then
        removed[domain] = removed[domain] or {}
        removed[domain][user] = removed[domain][user] or {}
        removed[domain][user][contact] = true
    end
end

-- A neighbor that served this domain has left: next time its people are listed again.
function group.forget(domain)
    if not neighbors.at(domain)[1] then
        removed[domain] = nil
    end
end

-- ---- begin and end ---------------------------------------------------------------------------

function group.add_host(host_module)
    host_module:hook("roster-load", function(event)
        line_up(jid.join(event.username, event.host), event.roster, people_near())
    end)
    host_module:hook("store-opened", guard_store)
    host_module:hook("iq/self/jabber:iq:roster:query", queried, 10)
    host_module:hook("pre-presence/bare", said, 10)
    host_module:hook("pre-presence/full", said, 10)
    host_module:wrap_event("presence/bare", asked)
    host_module:wrap_event("presence/full", asked)
    host_module:hook("roster-item-removed", function(event)
        dropped(jid.join(event.username, host_module.host), event.jid)
    end)
end

function group.save()
    return removed
end

function group.restore(saved)
    removed = saved
end

function group.start(group_name)
    name = group_name
    if not name then
        line_up_all({}) -- there was one before the module was loaded anew
    end
end

return group
