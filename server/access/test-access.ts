/** Access over a database of its own, with a clock that moves by hand. */
import type { AuthConfig } from '#config/config.ts'
import { createAddressGuard } from '#lib/address-guard.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { createAccess, type Access } from './access.ts'
import type { Directory } from './directory.ts'
import { watchAccess, type AccessEpoch } from '#metadata/watch-access.ts'
import type { SignInHooks } from './hooks.ts'
import { openConfiguredFile } from './htpasswd-configured.ts'
import { createPasswordProviders } from './password-providers.ts'
import { createSecretBox } from './secret-box.ts'
import { makeParts, type TestParts } from './test-parts.ts'
import { TestRows } from './test-rows.ts'
import type { Requester } from './requester.ts'

/** What a test gets. */
export interface TestAccess extends AsyncDisposable {
  readonly access: Access
  readonly directory: Directory
  readonly epoch: AccessEpoch
  readonly rows: TestRows
  readonly parts: TestParts
  /** Reads of the database so far. */
  reads(): number
}

/** `accounts` unless it is said otherwise. `file` for a database that several share. */
export async function openTestAccess(
  options: {
    readonly config?: AuthConfig
    readonly hooks?: SignInHooks
    readonly file?: string
    readonly parts?: TestParts
  } = {},
): Promise<TestAccess> {
  const { config = { kind: 'accounts', realm: 'Berth' }, hooks = {}, file = ':memory:', parts = makeParts() } = options
  const counted = countReads(await openTestDatabase(file))
  const { metadata, epoch } = watchAccess(counted.metadata, parts.ports.clock)
  const { ports, log } = parts
  const directory = { metadata, ports, log, secrets: createSecretBox([Buffer.alloc(32)], ports.random) }
  const configuredFile = await openConfiguredFile(directory, config)
  const guard = createAddressGuard([])
  const passwords = createPasswordProviders({ directory, epoch, guard, configuredFile })
  const byFile: SignInHooks = { passwordFiles: () => passwords.files(), keepFresh: (userId) => passwords.keepFresh(userId) }
  const access = createAccess(config, { directory, epoch, ...(configuredFile === undefined ? {} : byFile), ...hooks })
  const rows = new TestRows(metadata)
  return { access, directory, epoch, rows, parts, reads: counted.reads, [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose]() }
}

/** Counts what is asked of the reader: every query begins at its executor or is built from it. */
function countReads(metadata: Metadata): { readonly metadata: Metadata; readonly reads: () => number } {
  let reads = 0
  const reader = new Proxy(metadata.reader, {
    get(target, member) {
      if (member === 'selectFrom' || member === 'getExecutor') reads++
      const value: unknown = Reflect.get(target, member, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  const counting: Metadata = {
    dialect: metadata.dialect,
    reader,
    write: (definition, input) => metadata.write(definition, input),
    ping: () => metadata.ping(),
    [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose](),
  }
  return { metadata: counting, reads: () => reads }
}

/** A request with that Authorization header. */
export function from(authorization: string | undefined, more: Partial<Requester> = {}): Requester {
  return { authorization, address: '192.0.2.1', requestId: 'test', ...more }
}
