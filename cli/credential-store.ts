/**
 * Which servers the command line has logged in to, and with what: `$XDG_CONFIG_HOME/berth/credentials.json`, readable by its owner alone.
 *
 * It is written beside itself and renamed, so that a crash, or two logins at once, leave one whole file.
 */
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { CommandFailure } from './command-failure.ts'

/** What is kept of one login. `token`: a personal token; `password`: what was typed, where the server makes no tokens. */
export interface StoredLogin {
  readonly name: string
  readonly token?: string | undefined
  readonly password?: string | undefined
  /** By which logging out takes the token back. */
  readonly tokenId?: number | undefined
  /** File of the certificate authority that the server was met with. */
  readonly ca?: string | undefined
}

/** The file: logins by the server's URL, and which of them is meant when none is named. */
export interface StoredLogins {
  readonly default?: string | undefined
  readonly servers: Readonly<Record<string, StoredLogin>>
}

/** Where the file is: below XDG_CONFIG_HOME when that is an absolute path, as its specification asks, else below `~/.config`. */
export function credentialsFile(environment: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CONFIG_HOME: configured = '' } = environment
  const base = isAbsolute(configured) ? configured : join(environment['HOME'] ?? homedir(), '.config')
  return join(base, 'berth', 'credentials.json')
}

/** The logins; none when there is no file. Throws a sentence when the file is damaged. */
export async function readLogins(file: string = credentialsFile()): Promise<StoredLogins> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CommandFailure(`${file} cannot be read: ${(error as Error).message}`)
  })
  if (text === undefined) return { servers: {} }
  const logins = parseLogins(text)
  if (logins === undefined) throw new CommandFailure(`${file} is damaged: remove it and run berth login again`)
  return logins
}

/** Keeps the login, and makes its server the default. */
export async function storeLogin(server: string, login: StoredLogin, file: string = credentialsFile()): Promise<void> {
  const { servers } = await readLogins(file)
  await writeLogins({ default: server, servers: { ...servers, [server]: login } }, file)
}

/**
 * Forgets the login. Where it was the default there is none until the next login: another server that nobody named would get the next command.
 * Gives what is left.
 */
export async function forgetLogin(server: string, file: string = credentialsFile()): Promise<StoredLogins> {
  const logins = await readLogins(file)
  const { [server]: _forgotten, ...servers } = logins.servers
  const { default: before } = logins
  const left = { servers, ...(before !== undefined && before !== server && { default: before }) }
  await writeLogins(left, file)
  return left
}

function parseLogins(text: string): StoredLogins | undefined {
  try {
    const { default: standard, servers } = JSON.parse(text) as Partial<StoredLogins>
    if (typeof servers !== 'object' || servers === null || Array.isArray(servers)) return undefined
    if (Object.values(servers).some((login) => typeof login?.name !== 'string')) return undefined
    return { servers, ...(typeof standard === 'string' && { default: standard }) }
  } catch {
    return undefined
  }
}

async function writeLogins(logins: StoredLogins, file: string): Promise<void> {
  const directory = dirname(file)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // A directory of before may be open to others.
  await chmod(directory, 0o700)
  const beside = `${file}.${randomUUID()}`
  try {
    await writeDurably(beside, `${JSON.stringify(logins, undefined, 2)}\n`)
    await rename(beside, file)
  } finally {
    await rm(beside, { force: true })
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
