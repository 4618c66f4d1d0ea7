import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { documentConfiguration } from '#config/document.ts'
import { documentErrors } from '#oci/document-errors.ts'
import { documentCommands } from './document-commands.ts'

/** The pages of docs/reference/ that come from the code; tests hold each fresh. */
export function generatedPages(program: Command): ReadonlyMap<string, string> {
  return new Map([
    ['configuration.md', documentConfiguration()],
    ['cli.md', documentCommands(program)],
    ['errors.md', documentErrors()],
  ])
}

/** Where {@link generatedPages} are kept. */
export const referenceDirectory: URL = new URL('../docs/reference/', import.meta.url)

/** `berth docs`, hidden: what `npm run docs` calls. */
export function registerDocs(program: Command): void {
  program
    .command('docs', { hidden: true })
    .description('write the generated pages of docs/reference/')
    .action(async () => {
      for (const [name, text] of generatedPages(program)) await writeFile(new URL(name, referenceDirectory), text)
    })
}
