import { generateKeyPairSync } from 'node:crypto'

/** A JSON web key as an issuer shows it. */
export function publicKey(type: 'ec', namedCurve: string): object {
  return generateKeyPairSync(type, { namedCurve }).publicKey.export({ format: 'jwk' })
}
