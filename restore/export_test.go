package restore

// SetHook has every step announced before it is taken.
func SetHook(o *Options, hook func(step string)) { o.hook = func(s step) { hook(string(s)) } }
