/** Entries of htpasswd files, as sign-in looks for them: by the name that was typed, or by the account that an entry is linked with. */
import { linkedIdentities, type LinkedIdentity, type UserFacts } from '#metadata/account-facts.ts'
import type { Reader } from '#metadata/metadata.ts'
import { RegistryError } from '#oci/errors.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'
import type { SignInHooks } from './hooks.ts'
import { fileIssuer, type PasswordFile } from './htpasswd-provider.ts'

const rememberedAccounts = 10_000

/** An entry, and the file that it stands in. */
export interface FileEntry {
  readonly file: PasswordFile
  /** As the file has it. */
  readonly name: string
  readonly hash: string
}

/** What the files say; `unavailable` when one of them that might know more could not be read. */
export interface FileFinding {
  readonly entry: FileEntry | undefined
  readonly unavailable: RegistryError | undefined
}

/** Looks in all files. One per process. */
export class FileEntries {
  readonly #files: SignInHooks['passwordFiles']
  readonly #reader: Reader
  readonly #links: EpochMemory<readonly LinkedIdentity[]>

  constructor({ hooks, reader, epoch }: { readonly hooks: SignInHooks; readonly reader: Reader; readonly epoch: AccessEpoch }) {
    this.#files = hooks.passwordFiles
    this.#reader = reader
    this.#links = new EpochMemory(epoch, rememberedAccounts)
  }

  /** The first file that has the name decides. */
  async named(name: string): Promise<FileFinding> {
    return await firstOf(await this.#all(), () => name)
  }

  /** Of an account, by what it is linked with. */
  async of(userId: number): Promise<FileFinding> {
    const files = await this.#all()
    if (files.length === 0) return { entry: undefined, unavailable: undefined }
    const links = await this.#linksOf(userId)
    return await firstOf(files, ({ id }) => links.find((link) => link.providerId === id && link.issuer === fileIssuer)?.subject)
  }

  /** The entry of that name, of an account that nothing opens: neither a password of its own nor any provider. */
  async strayOf({ id, name, passwordHash }: Pick<UserFacts, 'id' | 'name' | 'passwordHash'>): Promise<FileEntry | undefined> {
    if (passwordHash !== '' || (await this.#linksOf(id)).length > 0) return undefined
    return (await this.named(name)).entry
  }

  async isLinked(userId: number, { file, name }: FileEntry): Promise<boolean> {
    return (await this.#linksOf(userId)).some(
      ({ providerId, issuer, subject }) => providerId === file.id && issuer === fileIssuer && subject === name,
    )
  }

  /** Checks what costs as much as the dearest entry of all, and fits no password. Does nothing without a file. */
  async spend(password: string): Promise<void> {
    let dearest: { readonly file: PasswordFile; readonly unmatchable: string } | undefined
    for (const file of await this.#all()) {
      // One that cannot be read has no entry that costs anything.
      const found = await file.find('').catch(absence)
      if (found !== undefined && (dearest === undefined || found.unmatchable > dearest.unmatchable))
        dearest = { file, unmatchable: found.unmatchable }
    }
    await dearest?.file.verify(password, dearest.unmatchable)
  }

  async #all(): Promise<readonly PasswordFile[]> {
    return (await this.#files?.()) ?? []
  }

  async #linksOf(userId: number): Promise<readonly LinkedIdentity[]> {
    return (await this.#links.get(String(userId), () => linkedIdentities(this.#reader, userId))) ?? []
  }
}

async function firstOf(files: readonly PasswordFile[], nameIn: (file: PasswordFile) => string | undefined): Promise<FileFinding> {
  let unavailable: RegistryError | undefined
  for (const file of files) {
    const name = nameIn(file)
    if (name === undefined) continue
    try {
      const { hash } = await file.find(name)
      if (hash !== undefined) return { entry: { file, name, hash }, unavailable }
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'UNAVAILABLE') throw error
      unavailable = error
    }
  }
  return { entry: undefined, unavailable }
}

function absence(error: unknown): undefined {
  if (!(error instanceof RegistryError) || error.code !== 'UNAVAILABLE') throw error
}
