package app

// route is a registered pattern.
type route struct{ pattern string }
