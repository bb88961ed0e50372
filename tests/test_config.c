/*
 * Config: config.json as transformers reads it. Each test is one fact of the
 * config classes, or one way a file can be wrong.
 */
#include "tap.h"

#include <unistd.h>

#include "base/file.h"
#include "model/config.h"

static char path[] = "/tmp/akin-config-XXXXXX";
static struct akin__config config;
static akin_error err;

static akin_status read_json(const char *json)
{
    if (akin__replace_file(path, json, strlen(json), &err))
        abort();
    return akin__config_read(&config, path, &err);
}

static void refused(const char *json, const char *words)
{
    if (!(EXPECT_INT(read_json(json), AKIN_EMODEL) &
          EXPECT(strstr(err.message, words) != NULL)))
        printf("# %s -> %s\n", json, err.message);
}

static void a_bare_clip_is_b32(void)
{
    EXPECT_INT(read_json("{\"model_type\":\"clip\"}"), AKIN_OK);
    EXPECT_INT(config.family, AKIN__CLIP);
    EXPECT_INT(config.width, 768);
    EXPECT_INT(config.heads, 12);
    EXPECT_INT(config.layers, 12);
    EXPECT_INT(config.mlp, 3072);
    EXPECT_INT(config.patch, 32);
    EXPECT_INT(config.image, 224);
    EXPECT_INT(config.projection, 512);
    EXPECT_INT(config.activation, AKIN__QUICK_GELU);
    EXPECT(config.eps == 1e-5f);
}

static void clip_sizes_come_from_vision_config(void)
{
    EXPECT_INT(read_json("{\"model_type\":\"clip\",\"projection_dim\":768,"
                         "\"text_config\":{\"hidden_size\":1},"
                         "\"vision_config\":{\"hidden_size\":1024,"
                         "\"num_attention_heads\":16,\"patch_size\":14,"
                         "\"num_hidden_layers\":24,\"hidden_act\":\"gelu\","
                         "\"intermediate_size\":4096}}"),
               AKIN_OK);
    EXPECT_INT(config.width, 1024);
    EXPECT_INT(config.layers, 24);
    EXPECT_INT(config.patch, 14);
    EXPECT_INT(config.projection, 768);
    EXPECT_INT(config.activation, AKIN__GELU);
}

/* CLIPConfig: vision_config_dict, when given, wins as a whole. */
static void the_older_dict_wins_over_vision_config(void)
{
    EXPECT_INT(read_json("{\"model_type\":\"clip\",\"vision_config_dict\":"
                         "{\"patch_size\":16},\"vision_config\":"
                         "{\"patch_size\":14,\"num_hidden_layers\":3}}"),
               AKIN_OK);
    EXPECT_INT(config.patch, 16);
    EXPECT_INT(config.layers, 12);
    EXPECT_INT(read_json("{\"model_type\":\"clip\",\"vision_config_dict\":null,"
                         "\"vision_config\":{\"patch_size\":14}}"),
               AKIN_OK);
    EXPECT_INT(config.patch, 14);
}

static akin_status read_text(const char *json)
{
    if (akin__replace_file(path, json, strlen(json), &err))
        abort();
    return akin__config_read_text(&config, path, &err);
}

static void a_bare_clip_reads_as_b32_does(void)
{
    EXPECT_INT(read_text("{\"model_type\":\"clip\"}"), AKIN_OK);
    EXPECT(config.text);
    EXPECT_INT(config.width, 512);
    EXPECT_INT(config.heads, 8);
    EXPECT_INT(config.layers, 12);
    EXPECT_INT(config.mlp, 2048);
    EXPECT_INT(config.vocabulary, 49408);
    EXPECT_INT(config.context, 77);
    EXPECT_INT(config.end, 49407);
    EXPECT_INT(config.projection, 512);
    EXPECT_INT(config.activation, AKIN__QUICK_GELU);
    EXPECT(config.eps == 1e-5f);
}

static void text_sizes_come_from_text_config(void)
{
    EXPECT_INT(read_text("{\"model_type\":\"clip\",\"projection_dim\":768,"
                         "\"vision_config\":{\"hidden_size\":1},"
                         "\"text_config\":{\"hidden_size\":768,"
                         "\"num_attention_heads\":12,\"vocab_size\":600,"
                         "\"max_position_embeddings\":40,"
                         "\"hidden_act\":\"gelu\",\"eos_token_id\":599}}"),
               AKIN_OK);
    EXPECT_INT(config.width, 768);
    EXPECT_INT(config.heads, 12);
    EXPECT_INT(config.vocabulary, 600);
    EXPECT_INT(config.context, 40);
    EXPECT_INT(config.end, 599);
    EXPECT_INT(config.projection, 768);
    EXPECT_INT(config.activation, AKIN__GELU);
}

/* Before transformers PR 24773 every file said 2. */
static void an_end_token_of_2_means_the_largest(void)
{
    EXPECT_INT(read_text("{\"model_type\":\"clip\",\"text_config\":"
                         "{\"eos_token_id\":2}}"),
               AKIN_OK);
    EXPECT(config.end < 0);
}

static void a_text_has_a_start_and_an_end(void)
{
    EXPECT_INT(read_text("{\"model_type\":\"clip\",\"text_config\":"
                         "{\"max_position_embeddings\":1}}"),
               AKIN_EMODEL);
}

static void dinov2_cannot_read(void)
{
    EXPECT_INT(read_text("{\"model_type\":\"dinov2\"}"), AKIN_EUSAGE);
    EXPECT(strstr(err.message, "cannot read") != NULL);
}

static void a_bare_dinov2_has_its_class_defaults(void)
{
    EXPECT_INT(read_json("{\"model_type\":\"dinov2\"}"), AKIN_OK);
    EXPECT_INT(config.family, AKIN__DINOV2);
    EXPECT_INT(config.image, 224); /* files of the hub say 518 */
    EXPECT_INT(config.patch, 14);
    EXPECT_INT(config.mlp, 3072);
    EXPECT_INT(config.activation, AKIN__GELU);
    EXPECT(config.eps == 1e-6f);
    EXPECT(config.last_norm && config.qkv_bias && !config.swiglu);
    EXPECT_INT(config.registers, 0);
}

static void registers_have_their_own_defaults(void)
{
    EXPECT_INT(read_json("{\"model_type\":\"dinov2_with_registers\"}"),
               AKIN_OK);
    EXPECT_INT(config.registers, 4);
    EXPECT_INT(config.patch, 16);
}

static void swiglu_keeps_two_thirds_in_eights(void)
{
    EXPECT_INT(read_json("{\"model_type\":\"dinov2\",\"hidden_size\":1536,"
                         "\"num_attention_heads\":24,"
                         "\"use_swiglu_ffn\":true}"),
               AKIN_OK);
    EXPECT_INT(config.mlp, 4096);
}

/* Plain models saved by transformers 5 carry a backbone's keys. */
static void only_the_architecture_makes_a_backbone(void)
{
    EXPECT_INT(read_json("{\"model_type\":\"dinov2\",\"architectures\":"
                         "[\"Dinov2Model\"],\"out_features\":[\"stage9\"],"
                         "\"apply_layernorm\":false}"),
               AKIN_OK);
    EXPECT(!config.backbone && config.last_norm);
    EXPECT_INT(config.layers, 12);
    EXPECT_INT(read_json("{\"model_type\":\"dinov2\",\"architectures\":"
                         "[\"Dinov2Backbone\"],\"out_features\":[\"stage9\"],"
                         "\"apply_layernorm\":false}"),
               AKIN_OK);
    EXPECT(config.backbone && !config.last_norm);
    EXPECT_INT(config.layers, 9);
    EXPECT_INT(read_json("{\"model_type\":\"dinov2_with_registers\","
                         "\"architectures\":[\"Dinov2WithRegistersBackbone\"],"
                         "\"out_features\":[\"stage3\"]}"),
               AKIN_OK);
    EXPECT(config.backbone && config.last_norm);
    EXPECT_INT(config.layers, 3);
}

#define BACKBONE                                                               \
    "{\"model_type\":\"dinov2\",\"architectures\":[\"Dinov2Backbone\"],"

static void a_backbone_has_one_feature_map(void)
{
    refused(BACKBONE "\"out_features\":[\"stage3\",\"stage9\"]}",
            "out_features is not one of stage1 to stage12");
    refused(BACKBONE "\"out_features\":[\"stage13\"]}", "is not one of");
    refused(BACKBONE "\"out_features\":[\"stem\"]}", "is not one of");
    refused(BACKBONE "\"out_features\":[]}", "is not one of");
    refused(BACKBONE "\"out_features\":[9]}", "is not one of");
    refused(BACKBONE "\"out_indices\":[3,9]}",
            "out_indices is not one of 1 to 12");
    refused(BACKBONE "\"out_indices\":[13]}", "is not one of");
    refused(BACKBONE "\"out_indices\":[0]}", "is not one of");
    refused(BACKBONE "\"out_indices\":[-13]}", "is not one of");
    refused(BACKBONE "\"reshape_hidden_states\":false}",
            "reshape_hidden_states is false");
}

static void a_stage_may_be_a_number(void)
{
    EXPECT_INT(read_json(BACKBONE "\"out_indices\":[9]}"), AKIN_OK);
    EXPECT_INT(config.layers, 9);
    EXPECT_INT(read_json(BACKBONE "\"out_features\":null,"
                                  "\"out_indices\":[-2]}"),
               AKIN_OK);
    EXPECT_INT(config.layers, 11);
}

static void a_square_given_as_two_sides_is_one(void)
{
    EXPECT_INT(
        read_json("{\"model_type\":\"dinov2\",\"image_size\":[518,518]}"),
        AKIN_OK);
    EXPECT_INT(config.image, 518);
    refused("{\"model_type\":\"dinov2\",\"image_size\":[518,224]}",
            "image_size is not a number");
}

static void what_is_no_such_model_is_named(void)
{
    refused("{\"model_type\":\"siglip\"}",
            "model_type siglip is not supported");
    refused("{}", "model_type (none)");
    refused("[]", "model_type (none)");
    refused("{\"model_type\":\"dinov2\",\"hidden_act\":\"gelu_new\"}",
            "hidden_act gelu_new is not supported (gelu, quick_gelu)");
    refused("{\"model_type\":\"dinov2\",\"num_channels\":4}",
            "num_channels is not 3");
}

static void sizes_are_bounded(void)
{
    refused("{\"model_type\":\"dinov2\",\"hidden_size\":0}",
            "hidden_size is not a number from 1 to 16384");
    refused("{\"model_type\":\"dinov2\",\"hidden_size\":1e9}", "hidden_size");
    refused("{\"model_type\":\"dinov2\",\"num_hidden_layers\":100000}",
            "num_hidden_layers is not a number from 1 to 256");
    refused("{\"model_type\":\"dinov2\",\"num_attention_heads\":7}",
            "is no multiple of 7 heads");
    refused("{\"model_type\":\"dinov2\",\"hidden_size\":8192,"
            "\"num_attention_heads\":8}",
            "hidden_size 8192 (limit 4096)");
    refused("{\"model_type\":\"dinov2\",\"layer_norm_eps\":\"x\"}",
            "layer_norm_eps is not a number");
    refused("{\"model_type\":\"dinov2\",\"mlp_ratio\":-4}",
            "mlp_ratio is not a number");
    refused("{\"model_type\":\"clip\",\"vision_config\":{\"patch_size\":500}}",
            "patch_size 500 is above image_size 224");
}

static void a_precision_that_is_none_is_refused(void)
{
    const akin_model_options options = {
        .size = sizeof options,
        .precision = (akin_precision)(AKIN_PRECISION_INT8 + 1)};
    akin_model *model = NULL;
    EXPECT(akin_model_open(&model, "nowhere", &options, &err) == AKIN_EUSAGE);
    EXPECT(model == NULL);
}

int main(void)
{
    RUN(a_precision_that_is_none_is_refused);
    const int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    RUN(a_bare_clip_is_b32);
    RUN(clip_sizes_come_from_vision_config);
    RUN(the_older_dict_wins_over_vision_config);
    RUN(a_bare_clip_reads_as_b32_does);
    RUN(text_sizes_come_from_text_config);
    RUN(an_end_token_of_2_means_the_largest);
    RUN(a_text_has_a_start_and_an_end);
    RUN(dinov2_cannot_read);
    RUN(a_bare_dinov2_has_its_class_defaults);
    RUN(registers_have_their_own_defaults);
    RUN(swiglu_keeps_two_thirds_in_eights);
    RUN(only_the_architecture_makes_a_backbone);
    RUN(a_backbone_has_one_feature_map);
    RUN(a_stage_may_be_a_number);
    RUN(a_square_given_as_two_sides_is_one);
    RUN(what_is_no_such_model_is_named);
    RUN(sizes_are_bounded);
    unlink(path);
    return tap_done();
}
