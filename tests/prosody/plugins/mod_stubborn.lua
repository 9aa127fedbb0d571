-- Makes a neighbor's Prosody do what others may do: the option says which.

local st = require "util.stanza"

local SM = "urn:xmpp:sm:3"
local how = module:get_option_string("stubborn")

if how == "refuses acknowledgements" then
    module:hook_tag(SM, "enable", function(session)
        session.sends2s(st.stanza("failed", { xmlns = SM }))
        return true
    end, 200)
elseif how == "does not hear of acknowledgements" then
    module:hook_tag(SM, "enable", function()
        return true
    end, 200)
else -- nor does it enable them itself (smacks_enabled_s2s)
    module:hook("iq/host", function(event)
        local stanza = event.stanza
        if stanza.attr.type == "get" and stanza:get_child("ping", "urn:xmpp:ping") then
            if how == "pings are errors" then
                event.origin.send(st.error_reply(stanza, "cancel", "service-unavailable"))
            end
            return true
        end
    end, 200)
end
