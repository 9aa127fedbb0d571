1795388464731 joined: 0 1
1795388466030 linked: 1
1795388474972 watching
1795388476242 blocked by 1: 0
1795388478494 told present: 1, one_sided ours
1795388479200 unblocked by 1: 0
1795388481531 told present: 1, one_sided None
1795388485823 blocked by 0: 1
1795388488824 told heard: 1, one_sided theirs
1795388489681 unblocked by 0: 1
1795388492205 told present: 1, one_sided None
