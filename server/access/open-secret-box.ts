/**
 * The keys of this registry, compared with what is sealed in its database before anything is sealed under them.
 *
 * The problem: a lost or misplaced key file looks like a first start, and a fresh key beside old secrets makes each of them fail one by one, weeks later. The
 * way: where something is sealed the file must be there, and must open something of it; else the start is refused, unless somebody has said that they begin anew.
 */
import type { SecretsConfig } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'
import type { Reader } from '#metadata/metadata.ts'
import { sealedValues } from '#metadata/sealed-values.ts'
import { openSealed } from './reseal.ts'
import { createSecretBox, type SecretBox } from './secret-box.ts'
import { isKeyFileThere, loadSecretKeys } from './secret-keys.ts'

/** `startsAnew`: what is sealed already is given up. */
export interface SecretBoxParts {
  readonly reader: Reader
  readonly ports: Pick<Ports, 'files' | 'random'>
  readonly startsAnew?: boolean | undefined
}

const advice =
  'or run berth secrets start-anew to go on without it: providers’ secrets must then be set again, one-time codes enrolled again, and bearer tokens end'

/** Throws one sentence where the key is missing, or is another than the one that sealed what is there. */
export async function openSecretBox(config: SecretsConfig, { reader, ports, startsAnew }: SecretBoxParts): Promise<SecretBox> {
  // Read before the file: another process that starts makes the file first, and seals after that.
  const sealed = isLasting(config) && startsAnew !== true ? await sealedValues(reader) : []
  if (sealed.length === 0) return createSecretBox(await loadSecretKeys(config, ports), ports.random)
  const count = sealed.length === 1 ? '1 secret in the database is' : `${sealed.length} secrets in the database are`
  await requireKeyFile(config, ports, count)
  const box = createSecretBox(await loadSecretKeys(config, ports), ports.random)
  if (sealed.some((value) => openSealed(box, value) !== undefined)) return box
  const place = config.keys.length > 0 ? 'secrets.key' : `secrets.keyfile: ${config.keyFile ?? ''}`
  throw new Error(`${place} is another key than the one under which ${count} sealed: put the right one back, ${advice}`)
}

/** Keys that live as long as the process seal nothing that outlives it. */
function isLasting({ keys, keyFile }: SecretsConfig): boolean {
  return keys.length > 0 || keyFile !== undefined
}

async function requireKeyFile({ keys, keyFile }: SecretsConfig, { files }: SecretBoxParts['ports'], count: string): Promise<void> {
  if (keys.length > 0 || keyFile === undefined || (await isKeyFileThere(keyFile, files))) return
  throw new Error(`secrets.keyfile: ${keyFile} is not there, and ${count} sealed under it: put it back from its copy, ${advice}`)
}
