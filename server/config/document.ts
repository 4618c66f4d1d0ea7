/** docs/reference/configuration.md, from the schema. */
import type { Key } from './key.ts'
import { keys, parentPath, sections, statusOf } from './schema.ts'

const introduction = `# Configuration

Berth reads registry:2's and registry:3's config.yml. \`berth config check FILE\` names every problem and warning without starting anything;
\`berth config check --effective FILE\` prints what is in force and where each value comes from.

In rising order count: the defaults below, the file, and \`REGISTRY_*\` variables.

- **The file** is the argument of \`berth serve\`, or else what \`REGISTRY_CONFIGURATION_PATH\` names. Without a file Berth keeps its data in \`./data\`, allows
  deletes, and is guarded by an account that the first start makes (\`auth: accounts\`). With a file it is as open or closed as that file says: without
  \`auth\`, or with \`auth: none\`, whoever reaches it may do anything, and Berth warns.
- **A variable** names a key by its path: \`REGISTRY_HTTP_TLS_KEY\` is \`http.tls.key\`, in any case. Its value is YAML: \`REGISTRY_HTTP_HEADERS_X-Frame-Options=[deny]\`,
  \`REGISTRY_STORAGE={inmemory: {}}\`. It replaces what stands there as a whole. Entries of lists go by number (\`REGISTRY_HEALTH_FILE_0_FILE\`); a number one beyond
  the end appends. Variables apply in the order of their names, so \`REGISTRY_STORAGE\` comes before \`REGISTRY_STORAGE_DELETE_ENABLED\`. An empty variable
  brings back the default, but \`REGISTRY_AUTH\` may not be empty.
- **Durations** are Go's: \`168h\`, \`2h10m\`, \`300ms\`; a bare number is nanoseconds. **Sizes** are bytes, or \`64MiB\`, \`1.5GB\`. **Paths** may be relative to the
  working directory.
- **An unknown key** is a warning, as registry:2 passes over it, but a mistake in \`database\`, \`limits\`, \`secrets\`, \`tokens\` and \`auth.accounts\`, which only Berth has. A value of the
  wrong type is a mistake anywhere, and so is a key that stands twice.
`

/** The page; `npm run docs` writes it. */
export function documentConfiguration(): string {
  return [introduction, ...topics().map(documentTopic), ignored(), refused(), needless()].join('\n')
}

/** Top-level sections that have at least one key that acts; keys of the top level are a topic together. */
function topics(): readonly string[] {
  return [
    '',
    ...new Set([...keys.keys()].filter((path) => path.includes('.') && statusOf(path) === 'acts').map((path) => path.split('.')[0] ?? '')),
  ]
}

function documentTopic(topic: string): string {
  const own = [...keys].filter(([path]) => (topic === '' ? !path.includes('.') : path.startsWith(`${topic}.`)) && statusOf(path) === 'acts')
  const nested = [...sections].filter(
    ([path, { doc, status }]) => path.startsWith(`${topic}.`) && topic !== '' && doc !== '' && status === undefined,
  )
  const about = nested.filter(([path]) => path !== 'proxy').map(([path, { doc }]) => `- \`${path}\`: ${doc}`)
  return [
    `## ${topic === '' ? 'Top level' : topic}\n`,
    ...(topic === '' ? [] : [`${sections.get(topic)?.doc}\n`]),
    ...(about.length === 0 ? [] : [`${about.join('\n')}\n`]),
    '| key | type | default | meaning |\n|---|---|---|---|',
    ...own.map(([path, key]) => `| \`${path}\` | ${cell(typeText(key))} | ${cell(defaultText(key))} | ${cell(key.doc)} |`),
    '',
  ].join('\n')
}

function typeText({ type }: Key<unknown>): string {
  const fields = Object.entries(type.fields ?? {}).map(([name, field]) => `\`${name}\` ${field.name}`)
  return fields.length === 0 ? type.name : `${type.name}: ${fields.join(', ')}`
}

function defaultText(key: Key<unknown>): string {
  if (key.defaultText !== undefined) return key.defaultText
  if (key.default === undefined || key.default === null) return ''
  const shown = key.type.show(key.default)
  return shown === '' ? '' : `\`${shown}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function ignored(): string {
  return [
    '## Known, without effect\n',
    'Keys of registry:2 and registry:3 that do nothing in Berth. When one is there, a warning names it.\n',
    '| key | why |\n|---|---|',
    ...rows('ignored'),
    '',
  ].join('\n')
}

function refused(): string {
  return [
    '## Refused\n',
    'Berth does not start with these: without what they ask for it would keep data elsewhere, or be more open, than the file says.\n',
    '| key | why |\n|---|---|',
    ...rows('refused'),
    '',
  ].join('\n')
}

function needless(): string {
  const paths = [...keys].filter(([path, { status }]) => status === 'needless' && parentPath(path) !== 'http.tls.letsencrypt')
  return ['## Known, and needed no more\n', ...paths.map(([path, { doc }]) => `- \`${path}\`: ${doc}`), ''].join('\n')
}

/** Sections with the names below them, then keys that stand alone. */
function rows(status: 'ignored' | 'refused'): readonly string[] {
  const whole = [...sections].filter(([, section]) => section.status === status)
  const alone = [...keys].filter(([path, key]) => key.status === status && !whole.some(([section]) => path.startsWith(`${section}.`)))
  return [
    ...whole.map(([section, { doc }]) => `| ${cell(`\`${section}\`${namesBelow(section)}`)} | ${cell(doc)} |`),
    ...alone.map(([path, { doc }]) => `| \`${path}\` | ${cell(doc)} |`),
  ]
}

function namesBelow(section: string): string {
  const names = [...keys.keys()].filter((path) => path.startsWith(`${section}.`)).map((path) => `\`${path.slice(section.length + 1)}\``)
  return names.length === 0 ? '' : `: ${names.join(', ')}`
}
