package h2

// spend charges one unit of a budget, and ends the connection when it is used up (RFC 9113
// section 10.5). What was spent is forgiven with the work that was done for the peer since, and
// with time. That is settled only when a budget is used up, so that after good service a peer
// may spend twice the burst at once.
func (c *Conn) spend(b Budget) *ConnError {
	if c.spent[b]++; c.spent[b] <= allowances[b].burst {
		return nil
	}
	if c.forgive(); c.spent[b] <= allowances[b].burst {
		return nil
	}
	return c.calm(b)
}

// earnUpdates pays for the WINDOW_UPDATE frames that a DATA frame with n bytes of content entitles
// the peer to: one for each of the two windows, and one for every leastProgress bytes.
func (c *Conn) earnUpdates(n int) {
	c.spent[WindowBudget] -= min(c.spent[WindowBudget], uint16(2+n/leastProgress))
}

func (c *Conn) forgive() {
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

// calm ends the connection for abuse.
func (c *Conn) calm(b Budget) *ConnError {
	if c.err == nil {
		c.sh.Stats.Calmed[b]++
	}
	return c.fail(CodeEnhanceYourCalm, budgetNames[b]+" budget is used up")
}
