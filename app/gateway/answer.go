package gateway

import "github.com/gatewheel/gatewheel/app"

// errorResponse returns the response that the gateway makes for a request that it does not
// forward, or whose backend gives none. It has short plain text, or the status of gRPC for
// a client that speaks it.
func (p *policy) errorResponse(f *refusal, grpc bool) *app.Response {
	var resp *app.Response
	if grpc && f.status >= 400 {
		resp = grpcResponse(grpcStatus(f.reason, f.status), f.text)
	} else {
		resp = f.response()
	}
	if f.status == 503 {
		resp.Fields = append(resp.Fields, app.Field{Name: retryAfterName, Value: retryAfterUnavailable})
	}
	if p.proxyStatus && f.reason != OK {
		resp.Fields = append(resp.Fields, app.Field{Name: proxyStatusName, Value: p.proxyStatusOf(f.reason)})
	}
	return resp
}

// proxyStatusOf returns the value of Proxy-Status for a response of the gateway (RFC 9209
// section 2): the registered type of the error, and the label of the reason.
func (p *policy) proxyStatusOf(reason Reason) string {
	return p.pseudonym + "; error=" + reasonTable[reason].proxy + `; details="` + reason.String() + `"`
}

// refusals has the refusal of each Reason with its own status and text.
var refusals = func() (all [reasons]refusal) {
	for i := range all {
		all[i] = refusal{Reason(i), reasonTable[i].status, reasonTable[i].text, nil}
	}
	return all
}()
