1795398603835 joined with password 'the password': 0
1795398617891 watching
1795398622104 joined with password 'the password': 1
1795398633037 told present: 1
1795398635951 joined with password 'another password': 2
1795398637974 told heard: 2
1795398651758 left: 1
1795398654281 told gone: 1
1795398663781 joined with password 'the password': 1
1795398706920 told present: 1
