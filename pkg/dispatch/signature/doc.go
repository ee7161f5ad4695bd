// Package signature signs calls, and verifies them where they arrive.
//
// A signed call carries a JWT (RFC 7519) in its Dispatch-Signature header. Its own header has alg, ES256 or
// EdDSA; kid, the key's RFC 7638 thumbprint; and typ, [CallType]: the claims that a task has signed as its
// body are signed with the same key, and their type must never pass for a call's (RFC 8725, section 3.11).
// Its claims:
//
//	iss         who signed: the service's issuer
//	sub         the task's id
//	aud         the target's origin: scheme://host[:port], lower case, without a default port
//	iat         when the call was signed, Unix seconds
//	exp         iat + the call's timeout + Margin
//	jti         random, another for each attempt: a receiver that stores it sees a replayed call
//	method      of the request: "POST"
//	url         aud, then path and query as they stand in the request line
//	attempt     the attempt's number, from 1
//	generation  grows with each claim and edit of the task: a receiver that stores the highest it has seen
//	            can refuse a call that was overtaken (a fencing token)
//	sha256      SHA-256 of the body in lower-case hexadecimal, an empty body's too
//
// A receiver:
//
//	keys, err := signature.ParseJWKS(published)
//	v := signature.Verifier{Keys: keys, Issuer: "https://dispatch.example.com", Origin: "https://api.example.com"}
//	call, err := v.VerifyRequest(r, body)
//
// Before a net/http handler, [Middleware] does that, reads the keys anew where they change, and refuses replays.
//
// A task with claims has them sent as a JWT of typ JWT: see [Signer.SignClaims]. Its key may be of a kind that signs no
// calls: RSA, or a secret. The keys of a service are a [KeySet]. Calls may be signed by Standard Webhooks too, or instead:
// see [Mode].
package signature
