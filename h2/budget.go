package h2

// spend charges one unit to a budget, and ends the connection when the budget is used up (RFC 9113
// section 10.5). Completed work and time refill budgets. refill runs only when a budget is used up,
// so up to twice the burst may pass at once.
func (c *machine) spend(b Budget) *ConnError {
	if c.spent[b]++; c.spent[b] <= allowances[b].burst {
		return nil
	}
	if c.refill(); c.spent[b] <= allowances[b].burst {
		return nil
	}
	return c.endForFlood(b)
}

// earnUpdates refills WindowBudget for a DATA frame with n bytes of content: by one update for each
// of the two windows, and one for every leastProgress bytes.
func (c *machine) earnUpdates(n int) {
	c.spent[WindowBudget] -= min(c.spent[WindowBudget], uint16(2+n/leastProgress))
}

// refill adds to all budgets what was earned since the last call.
func (c *machine) refill() {
	work, seconds := c.work-c.lastWork, c.sh.second-c.lastSecond
	c.lastWork, c.lastSecond = c.work, c.sh.second
	for b := range c.spent {
		if c.spent[b] > 0 {
			a := &allowances[b]
			earned := uint64(work)*uint64(a.perWork) + uint64(seconds)*uint64(a.perSecond)
			c.spent[b] -= uint16(min(earned, uint64(c.spent[b])))
		}
	}
}

// endForFlood ends the connection because budget b is used up.
func (c *machine) endForFlood(b Budget) *ConnError {
	if c.err == nil {
		c.stats().Calmed[b]++
	}
	return c.fail(CodeEnhanceYourCalm, budgetNames[b]+" budget is used up")
}
