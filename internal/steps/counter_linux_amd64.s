// Lets counter_linux_amd64.go declare functions without a body.
