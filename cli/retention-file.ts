/** Retention policies as files that people write: YAML, of which JSON is a part, with the members of the API. */
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { parse, YAMLParseError } from 'yaml'
import { CommandFailure, WrongUsage } from './command-failure.ts'
import { printable } from './print.ts'

/** More is no policy. */
const lengthMax = 256 * 1024

/** The members of the file, unchecked: the server knows what fits. A `name` in it must be the one that is given. */
export async function readPolicyFile(file: string, name?: string): Promise<Readonly<Record<string, unknown>>> {
  const content = await readText(file)
  if (content.length > lengthMax) throw new WrongUsage(`${printable(file)} is too long for a policy`)
  const parsed = parseText(file, content)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new WrongUsage(`${printable(file)} holds no policy: members such as rules and schedule are expected`)
  const { name: named, ...members } = parsed as Readonly<Record<string, unknown>>
  if (named !== undefined && name !== undefined && named !== name)
    throw new WrongUsage(`the policy in ${printable(file)} is called ${printable(JSON.stringify(named))}, not ${printable(name)}`)
  return members
}

async function readText(file: string): Promise<string> {
  try {
    return file === '-' ? await text(process.stdin) : await readFile(file, 'utf8')
  } catch (error) {
    throw new CommandFailure(`${printable(file)} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function parseText(file: string, content: string): unknown {
  try {
    return parse(content) as unknown
  } catch (error) {
    if (!(error instanceof YAMLParseError) && !(error instanceof ReferenceError)) throw error
    throw new WrongUsage(`${printable(file)} is no YAML: ${printable(error.message)}`)
  }
}
