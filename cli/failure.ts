/** What went wrong, as one or more lines for a person: no stack, the causes in brackets. */
import { inspect } from 'node:util'
import { ApiProblem } from '#api/client.ts'
import { ConfigError } from '#config/problem.ts'
import { RegistryError } from '#oci/errors.ts'
import { CommandFailure } from './command-failure.ts'

/** More causes than this tell nothing. */
const maxCauses = 4

/** The text for standard error: a sentence that says what to do where that is known, a list for a configuration with problems. */
export function describeFailure(error: unknown): string {
  if (error instanceof ConfigError) {
    const { length } = error.problems
    return `berth: the configuration has ${length === 1 ? 'a problem' : `${length} problems`}:\n${indent(error.message)}`
  }
  const system = listenFailure(error) ?? directoryFailure(error)
  return `berth: ${system ?? messages(error ?? new Error('unknown failure')).join(': ')}`
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}

function messages(error: unknown): readonly string[] {
  // The refusal behind it is in its sentence.
  if (error instanceof CommandFailure && (error.cause instanceof ApiProblem || error.cause instanceof RegistryError)) return [error.message]
  const found: string[] = []
  let at = error
  for (let depth = 0; depth <= maxCauses && at !== undefined; depth += 1) {
    const message = at instanceof Error ? at.message : inspect(at)
    // Who says where it happened often repeats what happened.
    if (!found.some((said) => said === message || said.endsWith(`: ${message}`))) found.push(message)
    at = at instanceof Error ? at.cause : undefined
  }
  return found
}

/** Errors of `listen`, which are common and can be said better than Node says them. */
function listenFailure(error: unknown): string | undefined {
  const { code, syscall, address, port } = (error ?? {}) as NodeJS.ErrnoException & { address?: string; port?: number }
  if (syscall !== 'listen' && syscall !== 'bind') return undefined
  const place =
    port === undefined ? (address ?? 'the socket') : `port ${port}${address === undefined || address === '::' ? '' : ` of ${address}`}`
  if (code === 'EADDRINUSE')
    return `${place} is in use: stop what listens there, or choose another with http.addr (REGISTRY_HTTP_ADDR=:5001)`
  if (code === 'EACCES') return `${place} may not be opened by this user: choose one above 1023 with http.addr, or grant the right`
  if (code === 'EADDRNOTAVAIL') return `${address ?? 'the address'} is no address of this machine: see http.addr`
  return undefined
}

/** Errors of making the directory of the data, or the database in it. */
function directoryFailure(error: unknown): string | undefined {
  const { code, syscall, path = 'a directory' } = (error ?? {}) as NodeJS.ErrnoException
  if (code === undefined || (syscall !== 'mkdir' && syscall !== 'open')) return undefined
  const reason = directoryReasons[code]
  return reason && `${path} ${reason}, or choose another place (storage.filesystem.rootdirectory, database.file)`
}

const notWritable = 'may not be written by this user: grant the right'
const notDirectory = 'is, or lies below, a file where a directory is needed: move the file'
const noSpace = 'cannot be made, the disk is full: free space'
const directoryReasons: Readonly<Record<string, string>> = {
  EACCES: notWritable,
  EPERM: notWritable,
  EROFS: notWritable,
  EEXIST: notDirectory,
  ENOTDIR: notDirectory,
  ENOSPC: noSpace,
  EDQUOT: noSpace,
}
