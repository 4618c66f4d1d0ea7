/**
 * The htpasswd files of this process, as their rows are now, and the look at all accounts of a file when it has changed.
 *
 * Whoever asks for something is judged by the file as it is (htpasswd-provider.ts), so the look at all is for those who ask for nothing: their accounts are
 * seen to be disabled. It runs beside the requests, once for each change; what fails is tried again.
 */
import type { HtpasswdSettings } from '#api/provider-settings.ts'
import { presencesOfProvider } from '#metadata/identity-presence.ts'
import type { ProviderRecord } from '#metadata/providers.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import { isFromConfiguration } from './htpasswd-configured.ts'
import { HtpasswdFile } from './htpasswd-file.ts'
import { pathOfFile } from './htpasswd-place.ts'
import { followEntry, passwordFile, type PasswordFile } from './htpasswd-provider.ts'

const pageOf = 500

/** One per process; `configuredFile` is the one that the configuration names. */
export interface FileBookParts {
  readonly directory: Directory
  readonly configuredFile?: HtpasswdFile | undefined
}

/** Keeps a file open for as long as its row is the same. */
export class FileBook implements AsyncDisposable {
  readonly #parts: FileBookParts
  /** By row and version. */
  #made = new Map<string, PasswordFile>()
  /** Of the file by its row and version, the revision that all accounts have followed. */
  readonly #followed = new WeakMap<PasswordFile, number>()
  readonly #following = new Map<PasswordFile, Promise<void>>()
  #isClosed = false

  constructor(parts: FileBookParts) {
    this.#parts = parts
  }

  /** Of the rows that are switched on. */
  of(records: readonly ProviderRecord[]): readonly PasswordFile[] {
    const made = new Map<string, PasswordFile>()
    for (const record of records) {
      if (record.kind !== 'htpasswd' || !record.isEnabled) continue
      const key = `${record.id}/${record.version}`
      const file = this.#made.get(key) ?? this.#open(record)
      if (file !== undefined) made.set(key, file)
    }
    this.#made = made
    return [...made.values()]
  }

  #open(record: ProviderRecord): PasswordFile | undefined {
    const { directory, configuredFile } = this.#parts
    if (isFromConfiguration(record)) {
      // A row of another process's configuration gives nothing here.
      return configuredFile && passwordFile(directory, record, configuredFile)
    }
    const log = directory.log.child({ provider: record.name })
    try {
      const path = pathOfFile(directory, record.settings as HtpasswdSettings)
      return passwordFile(directory, record, new HtpasswdFile(path, { ports: directory.ports, log }))
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      log.error({ err: error }, 'the htpasswd file of this provider has no place: its users cannot sign in')
      return undefined
    }
  }

  /** Has the accounts of files that changed follow, beside what asks for it. */
  async follow(files: readonly PasswordFile[]): Promise<void> {
    for (const file of files) {
      if (this.#isClosed || this.#following.has(file)) continue
      // A file that cannot be read says nothing of anybody.
      const revision = await file.revision().catch(() => undefined)
      if (revision === undefined || revision === this.#followed.get(file) || this.#following.has(file)) continue
      const following = this.#followAll(file)
        .then(
          () => void this.#followed.set(file, revision),
          (error: unknown) => {
            this.#parts.directory.log.debug({ err: error, provider: file.name }, 'accounts did not follow, and will be looked at again')
            return error
          },
        )
        .then(async (failure) => {
          this.#following.delete(file)
          // It may have changed meanwhile, and whoever asked then has passed.
          if (failure === undefined) await this.follow([file])
        })
      this.#following.set(file, following)
    }
  }

  async #followAll(file: PasswordFile): Promise<void> {
    const { directory } = this.#parts
    let afterId = 0
    while (!this.#isClosed) {
      const page = await presencesOfProvider(directory.metadata.reader, { providerId: file.id, afterId, limit: pageOf })
      for (const presence of page) await followEntry(directory, file, presence)
      const last = page.at(-1)
      if (last === undefined || page.length < pageOf) return
      afterId = last.id
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#following.values())
  }
}
