/** Signing keys: access/signing-keys.ts over HTTP. */
import { listSigningKeys, removeSigningKey, rotateSigningKey, type SigningKeyFacts } from '#access/signing-keys.ts'
import type { ResponseOf } from '#api/contract.ts'
import * as contract from '#api/routes/keys.ts'
import { RegistryError } from '#oci/errors.ts'
import { instantOf, instantOrNull } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'

function present({ keyId, algorithm, publicKey, createdAt, retiredAt }: SigningKeyFacts): ResponseOf<typeof contract.rotateKeys> {
  const members = Object.entries(publicKey).map(([name, value]) => [name, String(value)])
  return {
    keyId,
    algorithm,
    publicKey: Object.fromEntries(members) as Record<string, string>,
    createdAt: instantOf(createdAt),
    retiredAt: instantOrNull(retiredAt ?? null),
  }
}

/** Served by the app. */
export const keyRoutes: readonly ServedRoute[] = [
  serve(contract.listKeys, async ({ parts }) => ({ body: { items: (await listSigningKeys(parts.directory)).map(present) } })),
  serve(contract.rotateKeys, async ({ parts, who }) => {
    const keyId = await rotateSigningKey(parts.directory, parts.config.tokens.algorithm, who)
    const made = (await listSigningKeys(parts.directory)).find((key) => key.keyId === keyId)
    if (made === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
    return { body: present(made), location: `/keys/${keyId}` }
  }),
  serve(contract.deleteKey, async ({ parts, params, who }) => {
    await removeSigningKey(parts.directory, params.key, who)
  }),
]
