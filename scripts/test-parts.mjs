// Which of the test files a process runs where several share them: `BERTH_TEST_PART=2/3` is the second of three parts.

/** Every so many of the files, so that each part has some of each room. */
export function partOf(files) {
  const [part, parts] = (process.env.BERTH_TEST_PART ?? '1/1').split('/').map(Number)
  return files.filter((_, index) => index % parts === part - 1)
}
