/** What a container of the image starts with. */
import { Alert, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Command } from '../../parts/copy.tsx'
import { Panel } from '../../parts/layout.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import type { Manifest } from './image-page.tsx'

export function ImageConfig({ manifest: { config, configProblem } }: { readonly manifest: Manifest }) {
  const { t } = useTranslation()
  if (config === undefined) return <Alert color="yellow">{configProblem ?? t('image.noConfig')}</Alert>
  const facts: readonly (readonly [string, ReactNode])[] = [
    [t('config.platform'), [config.os, config.architecture, config.variant].filter(Boolean).join('/')],
    [
      t('config.created'),
      config.created !== undefined && !Number.isNaN(Date.parse(config.created)) ? <RelativeTime at={config.created} /> : config.created,
    ],
    [t('config.author'), config.author],
    [t('config.user'), code(config.user)],
    [t('config.workingDir'), code(config.workingDir)],
    [t('config.entrypoint'), words(config.entrypoint)],
    [t('config.cmd'), words(config.cmd)],
    [t('config.ports'), lines(config.ports)],
    [t('config.volumes'), lines(config.volumes)],
    [t('config.stopSignal'), code(config.stopSignal)],
  ]
  const told = facts.filter(([, value]) => value !== undefined && value !== '')
  return (
    <Stack gap="lg">
      <Panel title={t('image.config')}>
        <dl className="facts">
          {told.map(([name, value]) => (
            <div key={name} style={{ display: 'contents' }}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </Panel>
      {config.env.length > 0 && (
        <Panel title={t('config.env')}>
          <NameValues entries={config.env.map(split)} />
        </Panel>
      )}
      {Object.keys(config.labels).length > 0 && (
        <Panel title={t('config.labels')}>
          <NameValues entries={Object.entries(config.labels)} />
        </Panel>
      )}
    </Stack>
  )
}

function split(assignment: string): readonly [string, string] {
  const at = assignment.indexOf('=')
  return at < 0 ? [assignment, ''] : [assignment.slice(0, at), assignment.slice(at + 1)]
}

function code(text: string | undefined): ReactNode {
  return text === undefined || text === '' ? undefined : <span className="mono">{text}</span>
}

/** As a shell would have it, where words have spaces. */
function words(parts: readonly string[]): ReactNode {
  if (parts.length === 0) return undefined
  return <Command text={parts.map((part) => (/^[\w./:=@%+,-]+$/.test(part) ? part : JSON.stringify(part))).join(' ')} />
}

function lines(values: readonly string[]): ReactNode {
  return values.length === 0 ? undefined : <span className="mono">{values.join(', ')}</span>
}

/** Names with values, as annotations and variables are. */
export function NameValues({ entries }: { readonly entries: readonly (readonly [string, string])[] }) {
  return (
    <dl className="facts">
      {entries.map(([name, value], at) => (
        <div key={`${name} ${at}`} style={{ display: 'contents' }}>
          <dt className="mono wrap">{name}</dt>
          <dd>
            <Text className="mono wrap" component="span">
              {value}
            </Text>
          </dd>
        </div>
      ))}
    </dl>
  )
}
