/** How to get an image with the tool at hand. */
import { Button, Popover, Stack, Text } from '@mantine/core'
import { Download } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { plainFlags, registryHost } from '../../app/place.ts'
import { Command } from '../../parts/copy.tsx'
import { SaveArchive } from './save-archive.tsx'

export type PullReference = { readonly tag: string } | { readonly digest: string }

interface PullProps {
  readonly repository: string
  readonly reference: PullReference
  /** A chart is fetched by Helm, an image by the others. */
  readonly isChart?: boolean
  /** Of the manifest; then it can be saved as an archive too. */
  readonly digest?: string
}

export function pullCommands({ repository, reference, isChart = false }: PullProps): readonly (readonly [string, string])[] {
  const end = 'tag' in reference ? `:${reference.tag}` : `@${reference.digest}`
  const name = `${registryHost}/${repository}${end}`
  if (isChart) {
    const version = 'tag' in reference ? ` --version ${reference.tag.replaceAll('_', '+')}` : ''
    return [['Helm', `helm pull${plainFlags.helm} oci://${registryHost}/${repository}${version}`]]
  }
  return [
    ['Docker', `docker pull ${name}`],
    ['Podman', `podman pull${plainFlags.podman} ${name}`],
    ['containerd', `ctr images pull${plainFlags.containerd} ${name}`],
  ]
}

export function PullMenu(props: PullProps) {
  const { t } = useTranslation()
  return (
    <Popover position="bottom-end" width="min(460px, calc(100vw - 32px))" shadow="md" radius="lg" trapFocus>
      <Popover.Target>
        <Button variant="default" leftSection={<Download size={15} />}>
          {t('repository.pull')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="sm">
          {pullCommands(props).map(([tool, command]) => (
            <div key={tool}>
              <Text size="xs" c="dimmed" mb={4}>
                {tool}
              </Text>
              <Command text={command} label={tool} />
            </div>
          ))}
          {props.digest !== undefined && (
            <SaveArchive
              repository={props.repository}
              reference={'tag' in props.reference ? props.reference.tag : props.digest}
              isChart={props.isChart === true}
            />
          )}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  )
}
