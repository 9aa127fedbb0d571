1795387250884 joined: 0 1
1795387255328 linked: 1
1795387261355 watching
1795387263317 blocked by 1: 0
1795387265317 told present: 1, one_sided ours
1795387268081 unblocked by 1: 0
1795387270978 told present: 1, one_sided None
1795387281666 blocked by 0: 1
1795387283957 told heard: 1, one_sided theirs
1795387288680 unblocked by 0: 1
1795387291277 told present: 1, one_sided None
