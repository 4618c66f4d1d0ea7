import * as fc from 'fast-check'
import { settingsInputSchemas } from '#api/provider-settings.ts'
import { arbitraryOf, type Schema } from './schema-arbitrary.ts'

/** Texts in which no key is that could verify. */
export const malformedKeySets: readonly string[] = [
  'nojson',
  'null',
  '1',
  '"keys"',
  '[]',
  '{}',
  '{"keys":"a"}',
  '{"keys":{}}',
  '{"keys":[]}',
  '{"keys":[null,1,"x",[],{}]}',
  '{"keys":[{"kty":"RSA"}]}',
  '{"keys":[{"kty":"EC","crv":1,"x":{},"kid":[],"alg":null,"use":7,"key_ops":"verify"}]}',
  '{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}',
  '{"keys":[{"kty":"OKP","crv":"Ed25519","x":""}]}',
]

/** By the member's name: what gets past the first look, and leads to no other machine. */
export const providerValues: Readonly<Record<string, readonly unknown[]>> = {
  issuer: ['https://127.0.0.1/issuer', 'cluster'],
  jwksUrl: ['', 'https://127.0.0.1/jwks'],
  urls: [['ldaps://127.0.0.1:1']],
  jwks: malformedKeySets,
  authorities: [''],
  searchBase: ['dc=example'],
  userFilter: ['(uid={input})'],
  attributes: [{}],
  adminGroups: [[]],
  requiredGroups: [[]],
}

/** Settings with the kind that they are of: by the schemas of the routes alone the two seldom fit each other, and what is behind is not reached. */
export function settingsWithTheirKind(
  known: (name: string) => readonly unknown[] | undefined,
  more: Readonly<Record<string, fc.Arbitrary<unknown>>> = {},
): fc.Arbitrary<{ readonly kind: string; readonly settings: unknown }> {
  const kinds = (['ldap', 'oidc', 'workload', 'certificate', 'htpasswd'] as const).map((kind) =>
    fc.record({ ...more, kind: fc.constant(kind), settings: arbitraryOf(settingsInputSchemas[kind] as Schema, known) }),
  )
  return fc.oneof(...kinds)
}
