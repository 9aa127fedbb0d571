1795401660071 joined with password 'the password': 0
1795401664134 watching
1795401666258 joined with password 'the password': 1
1795401668198 told present: 1
1795401670096 joined with password 'another password': 2
1795401670644 told heard: 2
1795401682300 left: 1
1795401682995 told gone: 1
1795401685700 joined with password 'the password': 1
1795401697231 told present: 1
