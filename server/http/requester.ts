/** What of a request tells who sent it, in the shapes that access asks for and events record. */
import type { Principal } from '#access/principal.ts'
import type { Requester } from '#access/requester.ts'
import { peerCertificate } from './client-certificate.ts'
import { AwaitedAnswer } from './awaited-answer.ts'
import { credentialText, exchangeCaller, type Exchange } from './exchange.ts'

/** Authorization, address and user agent of the request. */
export function requesterOf(exchange: Exchange): Requester {
  const { headers } = exchange.request
  return {
    authorization: headers.authorization,
    certificate: peerCertificate(exchange.request.socket),
    address: exchangeCaller(exchange).address,
    userAgent: headers['user-agent'] ?? '',
    requestId: exchange.requestId,
    awaited: new AwaitedAnswer(exchange),
  }
}

/** Who did it, as events record it. */
export interface RequestWho {
  readonly actor: string
  readonly requestId: string
  readonly actorKey: string
  readonly credential: string
  readonly address: string
  readonly userAgent: string
}

/** The principal, by which credential and from where. */
export function whoOf(exchange: Exchange, principal: Principal): RequestWho {
  return {
    actor: principal.name,
    requestId: exchange.requestId,
    actorKey: principal.key,
    credential: credentialText(principal.credential),
    address: exchangeCaller(exchange).address,
    userAgent: exchange.request.headers['user-agent'] ?? '',
  }
}
