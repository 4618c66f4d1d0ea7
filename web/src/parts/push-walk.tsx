/** The first image, step by step, with commands that can be pasted as they are. */
import { SegmentedControl, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWho } from '../api/session.ts'
import { plainFlags, registryHost } from '../app/place.ts'
import { Command } from './copy.tsx'

const tools = ['docker', 'podman', 'helm'] as const
type Tool = (typeof tools)[number]

function stepsOf(tool: Tool, place: string, login: string | undefined): readonly (readonly ['login' | 'tag' | 'push', string])[] {
  const name = place.includes('/') || place === '' ? place : `${place}/`
  const image = `${registryHost}/${name}${name.endsWith('/') || name === '' ? 'my-image' : ''}:latest`
  const plain = plainFlags[tool]
  if (tool === 'helm') {
    const below = place.replace(/\/?[^/]*$/, '')
    return [
      ...(login === undefined ? [] : [['login', `helm registry login${plain} ${registryHost} -u ${login}`] as const]),
      ['push', `helm push${plain} my-chart-1.0.0.tgz oci://${registryHost}/${below === '' ? place.replace(/\/$/, '') : below}`],
    ]
  }
  return [
    ...(login === undefined ? [] : [['login', `${tool} login${plain} ${registryHost} -u ${login}`] as const]),
    ['tag', `${tool} tag my-image:latest ${image}`],
    ['push', `${tool} push${plain} ${image}`],
  ]
}

/** `place`: a project, or a repository (`isRepository`). */
export function PushWalk({ place, isRepository = false }: { readonly place: string; readonly isRepository?: boolean }) {
  const { t } = useTranslation()
  const who = useWho()
  const [tool, setTool] = useState<Tool>('docker')
  const login = who.isOpen ? undefined : who.name === '' ? 'NAME' : who.name
  const steps = stepsOf(tool, isRepository ? place : `${place}/`, login)
  return (
    <Stack gap="sm" w="100%" ta="left" mt={6}>
      <SegmentedControl
        size="xs"
        data={[...tools]}
        value={tool}
        onChange={(value) => setTool(value as Tool)}
        aria-label={t('push.tool')}
        style={{ alignSelf: 'center' }}
      />
      {steps.map(([step, command], at) => (
        <div key={step}>
          <Text size="sm" c="var(--mantine-color-text)" mb={4}>
            {at + 1}. {t(`push.${step}`)}
          </Text>
          <Command text={command} label={t(`push.${step}`)} />
        </div>
      ))}
    </Stack>
  )
}
