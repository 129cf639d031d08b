/* SPDX-License-Identifier: Apache-2.0 */
/* replay FILE|FOLDER...: runs a target on inputs without a fuzzer, each within its time. */
#include "play.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_SECONDS 10
#define INPUT_MAX (1 << 16)

static unsigned replayed;

static int replay_file(const char *path)
{
    static uint8_t data[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    const size_t size = fread(data, 1, sizeof data, file);
    (void)fclose(file);
    (void)fprintf(stderr, "%s\n", path);
    (void)alarm(INPUT_SECONDS);
    (void)LLVMFuzzerTestOneInput(data, size);
    replayed++;
    return 0;
}

static int replay_folder(const char *path)
{
    struct dirent **files;
    const int count = scandir(path, &files, NULL, alphasort);
    int failed = count < 0;
    for (int i = 0; i < count; i++) {
        char file[4096];
        if (files[i]->d_name[0] != '.') {
            (void)snprintf(file, sizeof file, "%s/%s", path, files[i]->d_name);
            failed |= replay_file(file);
        }
        free(files[i]);
    }
    if (count >= 0) {
        free(files);
    }
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        struct stat status;
        const int folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
        failed |= folder ? replay_folder(argv[i]) : replay_file(argv[i]);
    }
    (void)fprintf(stderr, "%u inputs replayed\n", replayed);
    return failed || replayed == 0;
}
