/** The certificates that the listener serves, and how ones by ACME are asked for by hand. */
import { Type } from 'typebox'
import { defineRoute, instant, strictObject, type RouteContract } from '#api/contract.ts'

const orNull = <Schema extends Type.TSchema>(schema: Schema, description: string) => Type.Union([schema, Type.Null()], { description })

/** A certificate, or the want of one. */
export const certificate = strictObject({
  name: Type.String({ description: 'The host by ACME; the file else.' }),
  source: Type.Enum(['file', 'self-signed', 'acme']),
  names: Type.Array(Type.String(), { description: 'Host names and addresses that it is for.' }),
  issuer: orNull(Type.String(), 'Who signed it.'),
  serialNumber: orNull(Type.String(), 'Hexadecimal.'),
  fingerprint256: orNull(Type.String(), 'SHA-256 of the certificate.'),
  notBefore: orNull(instant, 'From when it counts.'),
  notAfter: orNull(instant, 'Until when it counts.'),
  renewAt: orNull(instant, 'By ACME: when it is asked for again.'),
  error: orNull(Type.String(), 'Why there is none, or why it could not be read or renewed.'),
})

/** The default one first; there are a handful. */
export const listCertificates = defineRoute({
  method: 'GET',
  path: '/certificates',
  tag: 'certificates',
  summary: 'List the certificates of the listener, the one for clients that name no known host first.',
  demand: { permission: 'certificate:list', on: 'system' },
  response: strictObject({ items: Type.Array(certificate) }),
})

/** Asks the ACME authority now. */
export const renewCertificates = defineRoute({
  method: 'POST',
  path: '/certificates/renewals',
  tag: 'certificates',
  summary: 'Ask for certificates by ACME now, due or not. While such a job waits or runs, that one is the answer.',
  demand: { permission: 'certificate:renew', on: 'system' },
  body: strictObject({
    host: Type.Optional(
      Type.String({ minLength: 1, maxLength: 253, description: 'One of `http.tls.letsencrypt.hosts`; without it all of them.' }),
    ),
  }),
  response: strictObject({ job: Type.Integer({ description: 'Follow it at /jobs/{job}.' }), isNew: Type.Boolean() }),
  status: 202,
})

/** In the order of the documentation. */
export const certificateContracts: readonly RouteContract[] = [listCertificates, renewCertificates]
