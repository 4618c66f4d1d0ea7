import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** A file of deploy/. */
export function deployFile(path: string): string {
  return fileURLToPath(new URL(`../../deploy/${path}`, import.meta.url))
}

/** An example of deploy/ with its names and places changed to those of a test; throws for what the example does not have. */
export async function adapted(path: string, changes: readonly (readonly [from: string, to: string])[]): Promise<string> {
  let text = await readFile(deployFile(path), 'utf8')
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`${path} has no ${JSON.stringify(from)}`)
    text = text.replaceAll(from, to)
  }
  return text
}
