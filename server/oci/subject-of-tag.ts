/** Tags that are made of the digest that they are about: cosign's signatures and attestations, and the referrers tag schema. */
import { parseDigest, type Digest } from './digest.ts'

const form = /^(sha256|sha512)-([0-9a-f]{64,128})(?:\.[a-z0-9]{1,32})?$/

/** `sha256-<hex>`, `sha256-<hex>.sig`, `.att`, `.sbom`: the digest; undefined for any other tag (distribution-spec "Referrers Tag Schema"). */
export function subjectOfTag(tag: string): Digest | undefined {
  const [, algorithm, hex] = form.exec(tag) ?? []
  return algorithm === undefined ? undefined : parseDigest(`${algorithm}:${hex}`)
}

/** What all tags that are about the digest begin with. */
export function tagPrefixOf(digest: Digest): string {
  return digest.replace(':', '-')
}
