/** docs/reference/cli.md, from the command tree itself. */
import type { Command } from 'commander'
import { exitStatuses } from './exit-status.ts'

const introduction = `# Commands

\`berth VERB …\`; the binary is called \`registry\` too, so that scripts for registry:2 go on: \`registry serve FILE\`, \`registry garbage-collect FILE\`, and a
file alone (\`registry FILE.yml\`) is served. In a checkout: \`npx berth VERB …\`, or \`npm start -- FILE\` for \`serve\`.

What is wrong is said on standard error, in a sentence for each problem, and by the exit status:

| exit status | |
|---|---|
${exitStatuses.map(([status, meaning]) => `| ${status} | ${meaning} |`).join('\n')}

With \`--json\` a failure is one line of JSON on standard error: \`{"code", "message", "exitStatus"}\`, and of what a server refused also \`status\`, \`detail\`, \`requestId\`,
\`retryAfterSeconds\`, \`errors\` and \`facts\` as [errors](errors.md) tells them. \`code\` is the server's; where it said nothing, \`USAGE\`, \`REFUSED\`, \`UNKNOWN\`, \`UNAVAILABLE\` or \`FAILED\`.

\`REGISTRY_*\` variables count for every verb that reads a configuration: see [configuration](configuration.md).
`

const conclusion = `## Signals

\`serve\` ends in order at SIGTERM, SIGINT and SIGHUP: it takes no new requests, lets those in flight finish (\`http.draintimeout\` bounds that), and ends with
status 0. A second signal, at least a second after the first, ends it at once.
`

/** The page; `npm run docs` writes it. */
export function documentCommands(program: Command): string {
  return [introduction, ...sections(program, 'berth'), conclusion].join('\n')
}

function sections(command: Command, path: string): readonly string[] {
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help')
  return visible.flatMap((child) => {
    const childPath = `${path} ${child.name()}`
    return child.commands.length > 0 ? sections(child, childPath) : [section(child, childPath)]
  })
}

function section(command: Command, path: string): string {
  const help = command.createHelp()
  const usage = [
    path,
    ...(help.visibleOptions(command).length > 1 ? ['[options]'] : []),
    ...command.registeredArguments.map((each) => usageOf(each.name(), each.required)),
  ]
  const rows = [
    ...help.visibleArguments(command).map((argument) => [argument.name(), help.argumentDescription(argument)]),
    ...help
      .visibleOptions(command)
      .filter((option) => option.long !== '--help')
      .map((option) => [option.flags, help.optionDescription(option)]),
  ].map(([name, meaning]) => `| \`${name}\` | ${meaning?.replaceAll('|', '\\|')} |`)
  const table = rows.length === 0 ? '' : `\n| | |\n|---|---|\n${rows.join('\n')}\n`
  return `## ${path}\n\n\`${usage.join(' ')}\`\n\n${sentence(command.description())}\n${table}`
}

function usageOf(name: string, isRequired: boolean): string {
  return isRequired ? name.toUpperCase() : `[${name.toUpperCase()}]`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`
}
