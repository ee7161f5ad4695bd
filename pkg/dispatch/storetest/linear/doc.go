// Package linear checks that what clients see of one task, all calling at once, could have been seen if their calls had been made
// one after another: that a store's calls are linearizable. Clients put, claim, settle, record, cancel, replace, retry, delete
// and get the same task; each call's beginning and end are noted, and porcupine looks for an order that explains all answers.
//
// A claim of a lease that is over may take a store two steps, and is refused where another write comes between them. A call whose answer was lost may have been done, at any time from then on, or not; one that was repeated may have been done
// twice.
package linear
